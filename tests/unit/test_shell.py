"""Pages that begin before their scripts are there, in an application without anything else of ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from markupsafe import Markup
from quart import Quart, Response, make_response
from werkzeug.exceptions import ServiceUnavailable

from quart_app.page import streaming as shell


async def late(text: str) -> Markup:
    await asyncio.sleep(0)
    if text == "fails":
        raise ServiceUnavailable
    return Markup(text)


def promise(name: str, text: str) -> Markup:
    return shell.promise(
        asyncio.create_task(late(text)), lambda error: Markup(f"{name}: {type(error).__name__}")
    )


async def answer(route: object, expected: int = 200) -> str:
    app = Quart(__name__)
    app.add_url_rule("/", "page", route)  # type: ignore[arg-type]
    response = await app.test_client().get("/")
    assert response.status_code == expected
    text: str = await response.get_data(as_text=True)
    return text


def test_each_script_of_a_page_has_its_own_failure():
    async def page() -> str:
        return f"<p>{promise('a', 'here')}</p><p>{promise('b', 'fails')}</p>"

    assert asyncio.run(answer(page)) == "<p>here</p><p>b: ServiceUnavailable</p>"


def test_a_piece_of_a_page_in_json_has_its_script_or_the_status_of_its_failure():
    async def piece() -> dict[str, str]:
        return {"html": str(promise("a", "here"))}

    async def broken() -> dict[str, str]:
        return {"html": str(promise("a", "fails"))}

    assert '"here"' in asyncio.run(answer(piece))
    asyncio.run(answer(broken, 503))


def test_a_route_may_raise_after_it_has_a_script():
    async def raises() -> str:
        promise("a", "here")
        raise ServiceUnavailable

    asyncio.run(answer(raises, 503))


def test_the_bytes_of_a_body_come_as_they_are_cut():
    async def page() -> Response:
        whole = f"é<p>{promise('a', 'here')}</p>é".encode()

        async def pieces() -> AsyncIterator[bytes]:
            for piece in (whole[:1], whole[1:-1], whole[-1:]):  # inside of a character
                yield piece

        return await make_response(pieces(), 200, {"Content-Type": "text/html"})

    assert asyncio.run(answer(page)) == "é<p>here</p>é"
