"""A SOCKS5 proxy on loopback that adds latency and limits the bandwidth of every connection.

Chromium's own network emulation delays requests, but neither the opening of connections nor websocket
frames. Here all bytes pass one of two links, one in each direction, that all connections share, and a
connection takes one round trip to open. TCP's slow start and packet loss are not simulated.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from types import TracebackType
from typing import Self

CHUNK = 8192
"""Bytes that a connection sends before another one may send."""


class Link:
    """One direction of the network: a latency, and a bandwidth that all connections share."""

    def __init__(self, bits_per_second: float, latency: float) -> None:
        self._seconds_per_byte = 8 / bits_per_second
        self._latency = latency
        self._free_at = 0.0

    def reserve(self, size: int) -> tuple[float, float]:
        """Return the loop times at which this number of bytes has been sent, and has arrived."""
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, now) + size * self._seconds_per_byte
        return self._free_at, self._free_at + self._latency


async def sleep_until(loop_time: float) -> None:
    await asyncio.sleep(max(0.0, loop_time - asyncio.get_running_loop().time()))


class DelayProxy:
    """A SOCKS5 proxy at ``url``. ``round_trip``: in seconds."""

    def __init__(self, round_trip: float, bits_per_second: float) -> None:
        self._round_trip = round_trip
        self._up = Link(bits_per_second, round_trip / 2)
        self._down = Link(bits_per_second, round_trip / 2)
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"socks5://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream: asyncio.StreamWriter | None = None
        try:
            host, port = await _read_socks_request(reader, writer)
            if not host.startswith("127."):
                raise OSError(f"only loopback addresses are proxied, not {host}")
            source, upstream = await asyncio.open_connection(host, port)
            await asyncio.sleep(self._round_trip)
            writer.write(b"\x05\x00\x00\x01" + bytes(6))
            async with asyncio.TaskGroup() as group:
                group.create_task(_forward(reader, upstream, self._up))
                group.create_task(_forward(source, writer, self._down))
        except* (OSError, asyncio.IncompleteReadError):
            pass  # either side may close at any time
        finally:
            for end in (writer, upstream):
                if end is not None:
                    end.close()


async def _read_socks_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int]:
    """Return host and port of a SOCKS5 request. The handshake is not delayed: only the proxy needs it."""
    _, methods = await reader.readexactly(2)
    await reader.readexactly(methods)
    writer.write(b"\x05\x00")
    *_, address_type = await reader.readexactly(4)
    if address_type == 1:
        host = ".".join(str(byte) for byte in await reader.readexactly(4))
    else:
        [length] = await reader.readexactly(1)
        host = (await reader.readexactly(length)).decode()
    [port] = struct.unpack("!H", await reader.readexactly(2))
    return host, port


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: Link) -> None:
    """Forward one direction of a connection over a link until it ends."""
    in_flight: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            arrives_at, data = await in_flight.get()
            await sleep_until(arrives_at)
            if not data:
                with contextlib.suppress(OSError):
                    writer.write_eof()
                return
            writer.write(data)
            await writer.drain()

    delivery = asyncio.create_task(deliver())
    try:
        while data := await reader.read(CHUNK):
            sent_at, arrives_at = link.reserve(len(data))
            in_flight.put_nowait((arrives_at, data))
            await sleep_until(sent_at)  # meanwhile other connections can reserve the link
        in_flight.put_nowait((link.reserve(0)[1], b""))
        await delivery
    finally:
        delivery.cancel()
