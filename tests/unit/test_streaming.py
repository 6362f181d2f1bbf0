"""Pages that begin before their scripts are there, in an application without anything else of ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from markupsafe import Markup
from quart import Quart, Response, make_response
from werkzeug.exceptions import ServiceUnavailable

from quart_app.page.streaming import CancelDeferred, defer
from quart_app.view import render_script


async def late(text: str) -> Markup:
    await asyncio.sleep(0)
    if text == "fails":
        raise ServiceUnavailable
    return Markup(text)


def script(name: str, text: str) -> Markup:
    return defer(asyncio.create_task(late(text)), lambda error: Markup(f"{name}: {type(error).__name__}"))


async def answer(route: object, expected: int = 200) -> str:
    app = Quart(__name__)
    app.asgi_app = CancelDeferred(app.asgi_app)  # type: ignore[method-assign]
    app.add_url_rule("/", "page", route)  # type: ignore[arg-type]
    response = await app.test_client().get("/")
    assert response.status_code == expected
    text: str = await response.get_data(as_text=True)
    return text


def test_each_script_of_a_page_has_its_own_failure():
    async def page() -> str:
        return f"<p>{script('a', 'here')}</p><p>{script('b', 'fails')}</p>"

    assert asyncio.run(answer(page)) == "<p>here</p><p>b: ServiceUnavailable</p>"


def test_a_piece_of_a_page_in_json_has_its_script_or_the_status_of_its_failure():
    async def piece() -> dict[str, str]:
        return {"html": str(script("a", "here"))}

    async def broken() -> dict[str, str]:
        return {"html": str(script("a", "fails"))}

    assert '"here"' in asyncio.run(answer(piece))
    asyncio.run(answer(broken, 503))


def test_a_route_may_raise_after_it_has_a_script():
    async def raises() -> str:
        script("a", "here")
        raise ServiceUnavailable

    asyncio.run(answer(raises, 503))


def test_the_bytes_of_a_body_come_as_they_are_cut():
    async def page() -> Response:
        whole = f"é<p>{script('a', 'here')}</p>é".encode()

        async def pieces() -> AsyncIterator[bytes]:
            for piece in (whole[:1], whole[1:-1], whole[-1:]):  # inside of a character
                yield piece

        return await make_response(pieces(), 200, {"Content-Type": "text/html"})

    assert asyncio.run(answer(page)) == "é<p>here</p>é"


@pytest.mark.parametrize("copies_scope", [False, True])
def test_a_script_that_its_page_does_not_show_ends_the_pull(copies_scope):
    """The pull is a task of its own, which the deferred script waits for."""
    pulls: list[asyncio.Task[None]] = []

    async def pull() -> None:
        await asyncio.Event().wait()

    async def page() -> Response:
        pulls.append(asyncio.create_task(pull()))
        runtime = SimpleNamespace(renderer=SimpleNamespace(url=str, script=str))
        render_script(runtime, "sliders", pulls[0])  # type: ignore[arg-type]
        return await make_response("plain", 200, {"Content-Type": "text/plain"})

    async def visit() -> None:
        app = Quart(__name__)
        app.asgi_app = CancelDeferred(app.asgi_app)  # type: ignore[method-assign]
        if copies_scope:
            inner = app.asgi_app

            async def copy(scope: Any, receive: Any, send: Any) -> None:
                await inner({**scope}, receive, send)

            app.asgi_app = copy  # type: ignore[method-assign]
        app.add_url_rule("/", "page", page)
        await app.test_client().get("/")
        async with asyncio.timeout(20):
            await asyncio.wait(pulls)
        assert pulls[0].cancelled()

    asyncio.run(visit())


def test_a_browser_that_leaves_before_the_response_begins_cancels_the_scripts_of_its_page():
    app = Quart(__name__)
    app.asgi_app = CancelDeferred(app.asgi_app)  # type: ignore[method-assign]
    scripts: list[asyncio.Task[Markup]] = []

    async def never() -> Markup:
        await asyncio.Event().wait()
        return Markup("")

    @app.get("/")
    async def page() -> str:
        scripts.append(asyncio.create_task(never()))
        return str(defer(scripts[0], lambda error: Markup(str(error))))

    @app.after_request
    async def wait(response: Response) -> Response:  # the response has its stream now, which nobody has read
        await asyncio.Event().wait()
        return response

    async def visit() -> None:
        incoming: asyncio.Queue[dict[str, object]] = asyncio.Queue()
        await incoming.put({"type": "http.request", "body": b"", "more_body": False})
        request = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/",
            "raw_path": b"/",
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"localhost")],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "extensions": {},
        }

        async def send(message: object) -> None:
            raise AssertionError("nothing was to be sent")

        async with asyncio.timeout(20):
            serving = asyncio.create_task(app(request, incoming.get, send))  # type: ignore[arg-type]
            while not scripts:
                await asyncio.sleep(0)
            await incoming.put({"type": "http.disconnect"})
            await serving
            await asyncio.wait(scripts)
        assert scripts[0].cancelled()

    asyncio.run(visit())
