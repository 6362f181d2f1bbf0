"""A TCP proxy between a browser and a site, which a test can cut, close, pause, and slow down."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any


class Line:
    """A TCP proxy.

    It refuses connections while ``is_closed``, discards all bytes while ``is_silent``, and holds answers back
    while ``is_late``; ``kept`` counts the connections whose answers are held back. ``rate`` limits the bytes
    of answers per second, for each connection.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="line")
        self.is_closed = False
        self.is_silent = False
        self.is_late = False
        self.kept = 0
        self.rate = float("inf")
        self.answered = 0
        self.refused = 0

    def __enter__(self) -> Line:
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._carry, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def aim(self, port: int) -> None:
        """Forward new connections to another port."""
        self._target = port

    def cut(self) -> None:
        """Abort every connection."""
        self._run(self._cut())

    def close(self) -> None:
        """Go offline: abort every connection and refuse new ones."""
        self.is_closed = True
        self.cut()

    def open(self) -> None:
        self.is_closed = self.is_silent = False

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _end(self) -> None:
        self._server.close()
        await self._cut()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        other = None
        try:
            if self.is_closed:
                self.refused += 1
                return
            other_reader, other = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers.add(other)
            await asyncio.gather(self._pump(reader, other), self._pump(other_reader, writer, True))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for end in (writer, other):
                if end is not None:
                    self._writers.discard(end)
                    end.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, has_answers: bool = False
    ) -> None:
        while data := await reader.read(65536):
            if self.is_silent:
                continue
            if has_answers and self.is_late:
                self.kept += 1
                while self.is_late:
                    await asyncio.sleep(0.01)
                self.kept -= 1
            if has_answers:
                await asyncio.sleep(len(data) / self.rate)
                self.answered += len(data)
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError
