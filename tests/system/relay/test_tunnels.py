from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterator

import aiohttp
import pytest
from harness import DEADLINE, wait_until
from relaying import VISITOR, Attempt, Client, RelayedSite, echo, run, ticket, web_process

BINARY, TEXT, CLOSE = aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.CLOSE
CLOSED = aiohttp.WSMsgType.CLOSED
MEGABYTE = b"x" * 1_000_000


@pytest.fixture(autouse=True)
def _reset(fake) -> Iterator[None]:
    yield
    fake.behaviour, fake.status = echo, 101
    wait_until(lambda: fake.open == 0, "the server's side of every websocket is closed")


async def ask(websocket: aiohttp.ClientWebSocketResponse, data: str | bytes) -> aiohttp.WSMessage:
    if isinstance(data, str):
        await websocket.send_str(data)
    else:
        await websocket.send_bytes(data)
    return await websocket.receive(DEADLINE)


def test_every_kind_of_message_is_forwarded_unchanged(site, fake):
    async def main() -> None:
        async with Client(site.url) as client:
            websocket = await client.attach(ticket(fake.url))
            assert websocket.protocol == "bokeh"
            for data in ("text", "", "ü€😀", b"bytes", b"", bytes(range(256)), "x" * 200_000):
                message = await ask(websocket, data)
                assert message.data == data
                assert message.type is (TEXT if isinstance(data, str) else BINARY)
            await websocket.close()

    run(main())


def test_a_browser_s_message_of_20_megabytes_passes_and_a_larger_one_is_1009_with_a_warning(site, fake):
    async def main() -> None:
        async with Client(site.url) as client:
            websocket = await client.attach(ticket(fake.url))
            data = bytes(20 * 1024 * 1024)
            assert (await ask(websocket, data)).data == data
            message = await ask(websocket, data + b"x")
            assert (message.type, message.data) == (CLOSE, 1009)

    run(main())
    wait_until(lambda: "BOKEH_MAX_MESSAGE (20971520)" in site.output(), "the setting is named in the log")


def test_a_server_s_message_has_no_limit(site, fake):
    size = 20 * 1024 * 1024 + 1

    async def large(websocket) -> None:
        await websocket.send_bytes(bytes(size))
        await websocket.receive()

    fake.behaviour = large

    async def main() -> None:
        async with Client(site.url) as client:
            message = await (await client.attach(ticket(fake.url))).receive(DEADLINE)
            assert message.type is BINARY
            assert len(message.data) == size

    run(main())


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (1000, "done", 1000),
        (1001, "", 1001),
        (1012, "restart", 1012),
        (4410, "this session is gone: ä", 4410),
        (4429, "", 4429),
        (10000, "a code that Bokeh uses", 1011),
    ],
)
def test_the_server_s_close_code_and_reason_are_forwarded(site, fake, code, reason, expected):
    async def close(websocket) -> None:
        await websocket.close(code=code, message=reason.encode())

    fake.behaviour = close

    async def main() -> None:
        async with Client(site.url) as client:
            message = await (await client.attach(ticket(fake.url))).receive(DEADLINE)
            assert (message.type, message.data, message.extra) == (CLOSE, expected, reason)

    run(main())


def test_a_server_that_disconnects_without_a_close_frame_is_1012(site, fake):
    async def vanish(websocket) -> None:
        websocket._req.transport.abort()

    fake.behaviour = vanish

    async def main() -> None:
        async with Client(site.url) as client:
            message = await (await client.attach(ticket(fake.url))).receive(DEADLINE)
            assert (message.type, message.data) == (CLOSE, 1012)

    run(main())


def test_a_server_that_breaks_the_protocol_is_1011(site, fake):
    async def garbage(websocket) -> None:
        websocket._req.transport.write(b"\xff\xff\xff\xff")
        await websocket.receive()

    fake.behaviour = garbage

    async def main() -> None:
        async with Client(site.url) as client:
            message = await (await client.attach(ticket(fake.url))).receive(DEADLINE)
            assert (message.type, message.data) == (CLOSE, 1011)

    run(main())


@pytest.mark.parametrize(
    ("status", "expected"), [(410, 410), (404, 410), (403, 403), (503, 503), (500, 503), (302, 503)]
)
def test_a_server_s_refusal_is_forwarded(site, fake, status, expected):
    fake.status = status

    async def main() -> None:
        async with Client(site.url) as client:
            assert await client.status_of(ticket(fake.url)) == expected

    run(main())


def test_nothing_of_the_browser_s_request_is_forwarded(site, fake):
    async def main() -> None:
        async with Client(site.url) as client:
            minted = ticket(fake.url)
            websocket = await client.attach(
                minted,
                "/bokeh/server-1/app/ws?secret=in-the-query&bokeh-token=x",
                Authorization="Bearer secret",
                Cookie=f"quart_bokeh_visitor={VISITOR}; session=secret",
                **{"X-Forwarded-For": "1.2.3.4", "X-Secret": "secret"},
            )
            await websocket.close()
            request = fake.requests[-1]
            assert request.path_qs == "/app/ws"
            assert sorted(name.lower() for name in request.headers) == [
                *("connection", "host", "sec-websocket-key", "sec-websocket-protocol"),
                *("sec-websocket-version", "upgrade"),
            ]
            assert minted not in str(request.headers)

    run(main())


def test_a_newer_browser_of_a_session_replaces_the_older_one(site, fake):
    async def main() -> None:
        async with Client(site.url) as client:
            older = await client.attach(ticket(fake.url))
            newer = await client.attach(ticket(fake.url))
            other = await client.attach(ticket(fake.url, session_id="other"))
            message = await older.receive(DEADLINE)
            assert (message.type, message.data, message.extra) == (CLOSE, 4409, "opened elsewhere")
            assert (await ask(newer, "still")).data == "still"
            assert (await ask(other, "there")).data == "there"
            await newer.close()
            await other.close()

    run(main())


def test_a_message_in_transit_is_completed_before_the_close_frame(site, fake):
    data = MEGABYTE * 20

    async def send(websocket) -> None:
        await websocket.send_bytes(data)
        await websocket.receive()

    fake.behaviour = send

    async def main() -> None:
        async with Client(site.url) as client:
            older = await client.attach(ticket(fake.url))
            older._reader._protocol.pause_reading()
            newer = await client.attach(ticket(fake.url))
            older._reader._protocol.resume_reading()
            first = await older.receive(DEADLINE)
            if first.type is not CLOSED:  # a reader that is too slow is aborted
                assert (first.type, len(first.data)) == (BINARY, len(data))
                second = await older.receive(DEADLINE)
                assert (second.type, second.data) == (CLOSE, 4409)
            await newer.close()

    run(main())


@pytest.mark.parametrize("megabytes", [1, 20])
def test_backpressure_keeps_the_web_process_small(site, fake, megabytes):
    """600 MB in each direction, in messages of so many MB, to a side that does not read."""
    process = web_process(site)
    message = MEGABYTE * megabytes

    async def talk(websocket) -> None:
        with contextlib.suppress(ConnectionError):
            for _ in range(600 // megabytes):
                await websocket.send_bytes(message)

    async def stalled(websocket) -> None:
        transport = websocket._req.transport
        transport.pause_reading()
        while not transport.is_closing():
            await asyncio.sleep(0.05)

    async def grow(send: bool) -> int:
        async with Client(site.url) as client:
            websocket = await client.attach(ticket(fake.url))
            before = process.memory_info().rss

            async def send_all() -> None:
                for _ in range(600 // megabytes):
                    await websocket.send_bytes(message)

            if send:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(send_all(), 3)
            else:
                websocket._reader._protocol.pause_reading()
                await asyncio.sleep(3)
            grown = process.memory_info().rss - before
            print(f"{'to the server' if send else 'to the browser'}: {grown / 1e6:.1f} MB more")
            websocket._conn.transport.abort()
            return grown

    fake.behaviour = talk
    assert run(grow(send=False)) < 30e6
    fake.behaviour = stalled
    try:
        assert run(grow(send=True)) < 30e6
    finally:
        for websocket in fake.websockets:
            websocket._req.transport.abort()


def test_a_browser_that_does_not_read_is_aborted_with_its_server_s_websocket(site, fake):
    async def flood(websocket) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await websocket.send_bytes(MEGABYTE)

    async def main() -> None:
        async with Client(site.url) as client:
            fake.behaviour = flood
            stalled = await client.attach(ticket(fake.url))
            stalled._reader._protocol.pause_reading()
            fake.behaviour = echo
            newer = await client.attach(ticket(fake.url))
            await asyncio.to_thread(wait_until, lambda: fake.open == 1, "the flood has ended")
            assert (await ask(newer, "here")).data == "here"
            await newer.close()

    run(main())


def test_60_websockets_with_traffic_at_once(site, fake):
    async def main() -> None:
        async with Client(site.url) as client:

            async def one(number: int) -> None:
                websocket = await client.attach(ticket(fake.url, session_id=str(number)))
                for turn in range(20):
                    data = f"{number} {turn}" * 100
                    assert (await ask(websocket, data)).data == data
                await websocket.close()

            await asyncio.gather(*(one(number) for number in range(60)))

    run(main())


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_200_connections_leave_no_task_and_no_descriptor_however_they_end(site, fake):
    process = web_process(site)

    def held() -> tuple[int, int]:
        """Return how many tasks and descriptors the web process has."""
        tasks = int(site.get("/tasks", headers={"Connection": "close"}).text)
        return tasks, process.num_fds()

    async def visits(rounds: int) -> None:
        async with Client(site.url) as client:
            for number in range(rounds):
                websocket = await client.attach(ticket(fake.url, session_id=str(number)))
                if number % 4 == 0:
                    assert (await ask(websocket, "x")).data == "x"
                    await websocket.close()
                elif number % 4 == 1:
                    websocket._conn.transport.abort()
                elif number % 4 == 2:  # not waiting for the answer
                    reset(Attempt(ticket(fake.url, session_id=str(number))).send(site.url))
                    await websocket.close()
                else:  # data before the upgrade, which Hypercorn refuses by itself
                    connection = Attempt(ticket(fake.url, session_id=str(number))).send(site.url)
                    connection.sendall(b"\x81\x80abcd")
                    connection.close()
                    await websocket.close()

    run(visits(20))
    wait_until(lambda: fake.open == 0, "the server has no websocket any more")
    before = held()
    run(visits(200))
    wait_until(lambda: fake.open == 0, "the server has no websocket any more")
    wait_until(
        lambda: all(now <= then + 2 for now, then in zip(held(), before, strict=True)),
        "as many tasks and descriptors are there as before",
    )


def test_a_browser_that_gives_up_its_handshake_ends_the_one_with_the_server():
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        listener.settimeout(10)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        site = stack.enter_context(RelayedSite(BOKEH_SERVERS=url))
        browser = Attempt(ticket(url)).send(site.url)
        upstream, _ = listener.accept()
        stack.enter_context(upstream)
        upstream.settimeout(10)
        assert upstream.recv(2**16).startswith(b"GET /app/ws")
        browser.close()
        assert upstream.recv(2**16) == b""


def test_a_server_that_does_not_answer_is_a_503_in_time():
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        site = stack.enter_context(RelayedSite(BOKEH_SERVERS=url, BOKEH_PULL_TIMEOUT="1"))

        async def main() -> None:
            async with Client(site.url) as client:
                assert await client.status_of(ticket(url)) == 503

        run(main())
