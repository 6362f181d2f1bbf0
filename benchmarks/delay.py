"""A slow line on loopback: a SOCKS proxy that lets every byte arrive late.

Chromium's own network emulation delays requests, but neither the opening of connections nor the frames of
a websocket. Here everything that the browser sends and receives passes two lines, one each way, with a
latency and a bandwidth that all its connections share; a connection takes one round trip to open. What a
real line has besides, TCP's slow start and losses, is not there.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from types import TracebackType
from typing import Self

CHUNK = 8192


class Line:
    """One direction: a bandwidth that everybody shares, and a latency."""

    def __init__(self, bits_per_second: float, latency: float) -> None:
        self._seconds_per_byte = 8 / bits_per_second
        self._latency = latency
        self._free_at = 0.0

    def reserve(self, size: int) -> tuple[float, float]:
        """Return the loop times at which this many bytes are sent, and at which they arrive."""
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, now) + size * self._seconds_per_byte
        return self._free_at, self._free_at + self._latency


async def sleep_until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - asyncio.get_running_loop().time()))


class SlowNetwork:
    """A SOCKS5 proxy at ``url`` with a round trip of some seconds and a bandwidth in bits a second."""

    def __init__(self, round_trip: float, bits_per_second: float) -> None:
        self._round_trip = round_trip
        self._up = Line(bits_per_second, round_trip / 2)
        self._down = Line(bits_per_second, round_trip / 2)
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
            host, port = await _socks_request(reader, writer)
            if not host.startswith("127."):
                raise OSError("this network ends at loopback")
            source, upstream = await asyncio.open_connection(host, port)
            await asyncio.sleep(self._round_trip)
            writer.write(b"\x05\x00\x00\x01" + bytes(6))
            async with asyncio.TaskGroup() as group:
                group.create_task(_carry(reader, upstream, self._up))
                group.create_task(_carry(source, writer, self._down))
        except* (OSError, asyncio.IncompleteReadError):
            pass  # either end may go at any time
        finally:
            for end in (writer, upstream):
                if end is not None:
                    end.close()


async def _socks_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int]:
    """Read what a browser asks of a SOCKS5 proxy: the handshake costs no time, it is not part of the line."""
    _, methods = await reader.readexactly(2)
    await reader.readexactly(methods)
    writer.write(b"\x05\x00")
    *_, kind = await reader.readexactly(4)
    if kind == 1:
        host = ".".join(str(byte) for byte in await reader.readexactly(4))
    else:
        [length] = await reader.readexactly(1)
        host = (await reader.readexactly(length)).decode()
    [port] = struct.unpack("!H", await reader.readexactly(2))
    return host, port


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: Line) -> None:
    arrivals: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def arrive() -> None:
        while True:
            moment, data = await arrivals.get()
            await sleep_until(moment)
            if not data:
                with contextlib.suppress(OSError):
                    writer.write_eof()
                return
            writer.write(data)
            await writer.drain()

    arriving = asyncio.create_task(arrive())
    try:
        while data := await reader.read(CHUNK):
            sent, arrives = line.reserve(len(data))
            arrivals.put_nowait((arrives, data))
            await sleep_until(sent)  # the next chunk is others' turn first
        arrivals.put_nowait((line.reserve(0)[1], b""))
        await arriving
    finally:
        arriving.cancel()
