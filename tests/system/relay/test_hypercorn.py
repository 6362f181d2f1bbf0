"""The relay under Hypercorn's options: its pings, its stops, and its replacement of workers."""

from __future__ import annotations

import asyncio
import signal

import aiohttp
import httpx
import psutil
import pytest
from harness import DEADLINE, wait_until
from relaying import Client, FakeServer, RelayedSite, echo, run, ticket, web_process

BINARY, CLOSE = aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.CLOSE


def test_pings_do_not_corrupt_a_frame_that_arrives_in_pieces(fake, tmp_path):
    config = tmp_path / "hypercorn.toml"
    config.write_text("websocket_ping_interval = 0.05\n")
    piece, pieces = b"x" * 20_000, 20

    async def send_slowly(websocket) -> None:
        transport = websocket._req.transport
        transport.write(b"\x82\x7f" + (len(piece) * pieces).to_bytes(8, "big"))
        for _ in range(pieces):
            transport.write(piece)
            await asyncio.sleep(0.05)
        await echo(websocket)

    fake.behaviour = send_slowly
    with RelayedSite("--config", str(config), BOKEH_SERVERS=fake.url) as site:

        async def main() -> None:
            async with Client(site.url) as client:
                websocket = await client.attach(ticket(fake.url))
                message = await websocket.receive(DEADLINE)
                assert (message.type, message.data) == (BINARY, piece * pieces)
                await websocket.send_str("still in step")
                assert (await websocket.receive(DEADLINE)).data == "still in step"
                await websocket.close()

        run(main())


def replaced(site: RelayedSite, worker: psutil.Process) -> bool:
    """Whether another worker has taken the place of this one."""
    try:
        return not worker.is_running() and web_process(site).pid != worker.pid
    except (ValueError, psutil.NoSuchProcess):  # there is none, or it has just ended
        return False


def test_a_worker_at_max_requests_closes_its_websockets_and_is_replaced(fake):
    fake.behaviour = echo
    with RelayedSite("--max-requests", "5", BOKEH_SERVERS=fake.url) as site:
        worker = web_process(site)

        async def main() -> None:
            async with Client(site.url) as client:
                websocket = await client.attach(ticket(fake.url))
                for _ in range(5):
                    await client.get("/tasks")
                message = await websocket.receive(DEADLINE)
                assert (message.type, message.data) == (CLOSE, 1012)
                await asyncio.to_thread(wait_until, lambda: replaced(site, worker), "the worker is replaced")
                websocket = await client.attach(ticket(fake.url))
                await websocket.send_str("again")
                assert (await websocket.receive(DEADLINE)).data == "again"
                await websocket.close()

        run(main())
        assert "Traceback" not in site.output()


def test_a_worker_at_max_requests_does_not_wait_for_an_endless_response(fake):
    with RelayedSite("--max-requests", "1", "--graceful-timeout", "1", BOKEH_SERVERS=fake.url) as site:
        worker = web_process(site)
        with httpx.stream("GET", site.url + "/endless") as response:
            body = response.iter_raw()
            assert next(body)
            site.get("/tasks")
            wait_until(lambda: replaced(site, worker), "the worker is replaced")
        site.popen.send_signal(signal.SIGTERM)
        assert site.popen.wait(DEADLINE) == 0


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_site_without_workers_stops_with_websockets_open(sign):
    with FakeServer() as fake, RelayedSite("--workers", "0", BOKEH_SERVERS=fake.url) as site:

        async def main() -> None:
            async with Client(site.url) as client:
                websocket = await client.attach(ticket(fake.url))
                site.popen.send_signal(sign)
                message = await websocket.receive(DEADLINE)
                assert (message.type, message.data, message.extra) == (CLOSE, 1012, "the site restarts")
                await asyncio.to_thread(site.popen.wait, DEADLINE)

        run(main())
        assert "Traceback" not in site.output()
