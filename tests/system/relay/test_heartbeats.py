"""The relay's answer to heartbeats, which are empty text messages."""

from __future__ import annotations

import aiohttp
from harness import DEADLINE
from relaying import Client, run, ticket

BINARY, TEXT = aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT


def test_the_relay_answers_and_the_server_is_told_nothing(site, fake):
    received: list[object] = []

    async def collect(websocket) -> None:
        async for message in websocket:
            received.append(message.data)
            await websocket.send_str("the end")

    fake.behaviour = collect

    async def main() -> None:
        async with Client(site.url) as client:
            websocket = await client.attach(ticket(fake.url))
            for _ in range(3):
                await websocket.send_str("")
                answer = await websocket.receive(DEADLINE)
                assert (answer.type, answer.data) == (TEXT, "")
            await websocket.send_str("end")
            assert (await websocket.receive(DEADLINE)).data == "the end"
            await websocket.close()

    run(main())
    assert received == ["end"]


def test_the_answer_comes_after_the_message_that_is_under_way(site, fake):
    async def say(websocket) -> None:
        transport = websocket._req.transport
        transport.write(b"\x81\x05begun" + b"\x82\x06abc")
        await websocket.receive()
        transport.write(b"def")
        await websocket.receive()

    fake.behaviour = say

    async def main() -> None:
        async with Client(site.url) as client:
            websocket = await client.attach(ticket(fake.url))
            assert (await websocket.receive(DEADLINE)).data == "begun"
            await websocket.send_str("")
            await websocket.send_str("go on")
            answers = [await websocket.receive(DEADLINE) for _ in range(2)]
            assert [(answer.type, answer.data) for answer in answers] == [(BINARY, b"abcdef"), (TEXT, "")]
            await websocket.close()

    run(main())
