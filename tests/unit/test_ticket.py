from __future__ import annotations

import re
from dataclasses import asdict, replace

import pytest
from relaying import altered

from quart_app.relay.ticket import Ticket, TicketRefused, _serializer, mint, verify

TICKET = Ticket("id.signature", "sliders", "server-1", "http://127.0.0.1:5006", "g", session_expiry=1000)
NEW, OLD, OTHER = b"new" * 11, b"old" * 11, b"other" * 7


def refusal(text: str, visitor: str = "v") -> TicketRefused:
    with pytest.raises(TicketRefused) as refused:
        verify(text, visitor, [NEW], now=0)
    return refused.value


def signed(content: object) -> str:
    """Sign any content, as another version of the package might."""
    return _serializer("v", [NEW]).dumps(content)


def test_verify_returns_the_ticket_that_was_minted():
    assert verify(mint(TICKET, "v", [NEW]), "v", [NEW], now=999) == TICKET


@pytest.mark.parametrize("session_id", ["id", "id" * 100, "é€😀", ""])
def test_a_ticket_is_a_valid_subprotocol(session_id):
    minted = mint(replace(TICKET, session_id=session_id), "v", [NEW])
    assert re.fullmatch(r"[A-Za-z0-9._-]+", minted)
    assert verify(minted, "v", [NEW], now=0).session_id == session_id


def test_the_first_key_signs_and_all_are_accepted():
    keys = [NEW, OLD]
    assert verify(mint(TICKET, "v", [OLD]), "v", keys, now=0) == TICKET
    assert mint(TICKET, "v", keys) == mint(TICKET, "v", [NEW])
    with pytest.raises(TicketRefused):
        verify(mint(TICKET, "v", [OTHER]), "v", keys, now=0)


def test_an_expired_ticket_is_refused_with_410():
    with pytest.raises(TicketRefused) as refused:
        verify(mint(TICKET, "v", [NEW]), "v", [NEW], now=1000)
    assert refused.value.status == 410


@pytest.mark.parametrize(
    "alter",
    [
        altered,
        lambda text: text[:-1],
        lambda text: text + "x",
        lambda text: text.rpartition(".")[0],
        lambda text: text.rpartition(".")[0] + ".",
        lambda text: "." + text.rpartition(".")[2],
        lambda text: text.upper(),
        lambda text: "",
        lambda text: ".",
        lambda text: "é\udcff." + text,
        lambda text: "a" * 100_000,
        lambda text: mint(replace(TICKET, session_id="x"), "v", [NEW]).rpartition(".")[0] + text[-44:],
    ],
)
def test_a_text_that_was_not_minted_is_refused_with_403(alter):
    refused = refusal(alter(mint(TICKET, "v", [NEW])))
    assert refused.status == 403
    assert TICKET.session_id not in str(refused)


def test_a_ticket_of_another_visitor_is_refused_with_403():
    assert refusal(mint(TICKET, "v", [NEW]), visitor="w").status == 403


def test_a_field_that_this_version_does_not_know_is_ignored():
    assert verify(signed({**asdict(TICKET), "of_a_later_version": 1}), "v", [NEW], now=0) == TICKET


@pytest.mark.parametrize(
    "missing", ["session_id", "application", "server", "url", "generation", "session_expiry"]
)
def test_a_ticket_that_lacks_a_field_is_refused_with_410(missing):
    content = asdict(TICKET)
    del content[missing]
    assert refusal(signed(content)).status == 410


@pytest.mark.parametrize("content", [[], "text", 1, None, {**asdict(TICKET), "session_expiry": "soon"}])
def test_signed_content_of_another_shape_is_refused_with_410(content):
    assert refusal(signed(content)).status == 410
