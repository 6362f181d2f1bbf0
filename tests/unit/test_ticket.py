from __future__ import annotations

from dataclasses import replace

import pytest
from bokeh.util.token import get_session_id
from relaying import altered

from quart_app.relay.ticket import Ticket, TicketRefused, mint, ticket_keys, verify

TICKET = Ticket("id.signature", "sliders", "server-1", "http://127.0.0.1:5006", "g", session_expiry=1000)
NEW, OLD, OTHER = ticket_keys([b"new" * 11, b"old" * 11, b"other" * 7])


def test_a_ticket_says_what_was_minted():
    assert verify(mint(TICKET, "v", [NEW]), "v", [NEW], now=999) == TICKET


def test_bokeh_reads_the_session_id_in_a_ticket():
    assert get_session_id(mint(TICKET, "v", [NEW])) == TICKET.session_id


def test_an_older_key_is_accepted_and_the_first_one_signs():
    keys = [NEW, OLD]
    assert verify(mint(TICKET, "v", [OLD]), "v", keys, now=0) == TICKET
    assert mint(TICKET, "v", keys) == mint(TICKET, "v", [NEW])
    with pytest.raises(TicketRefused):
        verify(mint(TICKET, "v", [OTHER]), "v", keys, now=0)


def test_an_expired_ticket_is_gone_and_not_forbidden():
    with pytest.raises(TicketRefused) as refused:
        verify(mint(TICKET, "v", [NEW]), "v", [NEW], now=1000)
    assert refused.value.status == 410


@pytest.mark.parametrize(
    "alter",
    [
        altered,
        lambda text: text[:-1],
        lambda text: text + "x",
        lambda text: text.partition(".")[0],
        lambda text: text.partition(".")[0] + ".",
        lambda text: "." + text.partition(".")[2],
        lambda text: text.upper(),
        lambda text: "",
        lambda text: ".",
        lambda text: "é\udcff." + text,
        lambda text: "a" * 100_000,
        lambda text: mint(replace(TICKET, session_id="x"), "v", [NEW]).partition(".")[0] + text[-44:],
    ],
)
def test_what_was_not_minted_is_forbidden(alter):
    with pytest.raises(TicketRefused) as refused:
        verify(alter(mint(TICKET, "v", [NEW])), "v", [NEW], now=0)
    assert refused.value.status == 403
    assert TICKET.session_id not in str(refused.value)


def test_a_ticket_is_nothing_in_another_browser():
    with pytest.raises(TicketRefused) as refused:
        verify(mint(TICKET, "v", [NEW]), "w", [NEW], now=0)
    assert refused.value.status == 403
