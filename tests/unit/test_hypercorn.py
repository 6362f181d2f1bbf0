"""Which internal name of Hypercorn has gone, when one has."""

from __future__ import annotations

import asyncio
import logging
from inspect import signature
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from hypercorn.asyncio import serve
from hypercorn.asyncio.run import asyncio_worker, uvloop_worker
from hypercorn.config import Config

from quart_app.asgi.hypercorn import STREAM_NAMES, connection_writer, stream_of, take_over_websocket

NAMES = {
    "lifespan": ("config.graceful_timeout",),
    "http": ("config.graceful_timeout", "context.terminated.is_set"),
    "websocket": (
        *STREAM_NAMES,
        *("config.graceful_timeout", "context.terminated.is_set", "send.__self__.send.__self__.writer"),
    ),
}
REQUESTS = (
    b"GET / HTTP/1.1\r\nHost: site\r\nConnection: close\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: site\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
)


async def serve_once(folder: Path) -> dict[tuple[str, str], str]:
    """Serve one lifespan, one request and one websocket. Return by call and name what is wrong with it."""
    found: dict[tuple[str, str], str] = {}
    stop = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        call, stream = scope["type"], stream_of(send)
        for name in NAMES[call]:
            try:
                attrgetter(name)(stream)
                found[call, name] = ""
            except AttributeError as error:
                found[call, name] = str(error)
        if call == "lifespan":
            for part in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{part}.complete"})
        elif call == "websocket":
            found[call, "writer"] = str(connection_writer(stream))
            await send({"type": "websocket.close"})
        else:
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    config = Config()
    config.bind = [f"unix:{folder / 'socket'}"]
    config.errorlog = None
    async with asyncio.timeout(10):
        serving = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))  # type: ignore[arg-type]
        for request in REQUESTS:
            while not (folder / "socket").exists():
                await asyncio.sleep(0.01)
            reader, writer = await asyncio.open_unix_connection(folder / "socket")
            writer.write(request)
            await reader.read()
            writer.close()
        stop.set()
        await serving
    return found


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict[tuple[str, str], str]:
    return asyncio.run(serve_once(tmp_path_factory.mktemp("hypercorn")))


@pytest.mark.parametrize(("call", "name"), [(call, name) for call in NAMES for name in NAMES[call]])
def test_the_object_behind_the_send_of_an_asgi_call_has(found, call, name):
    assert found[call, name] == ""


def test_the_writer_of_a_websocket_s_connection_is_found(found):
    assert "StreamWriter" in found["websocket", "writer"]


@pytest.mark.parametrize("worker", [asyncio_worker, uvloop_worker])
def test_a_worker_process_has_the_configuration_and_the_stop_event_as_arguments(worker):
    assert {"config", "shutdown_event"} <= set(signature(worker).parameters)


def test_a_missing_name_is_in_the_log_once_and_nothing_is_taken_over(caplog):
    class WSStream:
        __module__ = "hypercorn.protocol.ws_stream"

        async def app_send(self, message: object) -> None:
            pass

    async def on_frames(frames: bytes) -> None:
        pass

    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert take_over_websocket(WSStream().app_send, on_frames) is None
    assert [record.message for record in caplog.records] == [
        "Hypercorn has changed ('WSStream' object has no attribute '_send_pings'): "
        "websockets are forwarded message by message"
    ]
