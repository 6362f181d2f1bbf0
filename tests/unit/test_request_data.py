from __future__ import annotations

import asyncio

import pytest
from quart import Quart

from quart_app import BokehEmbed
from quart_app.sessions.errors import NoServer
from quart_app.sessions.session import RequestData


@pytest.mark.parametrize("values", ["text", [1], [b"bytes"], ["good", None]])
def test_arguments_that_are_no_lists_of_strings_are_a_type_error_that_names_them(values):
    with pytest.raises(TypeError, match="'name' takes a list of strings"):
        RequestData({"good": ["text"], "name": values})


async def change(document):
    pass


@pytest.mark.parametrize("method", ["script", "pull"])
def test_an_async_customize_is_a_type_error_before_anything_is_asked(method):
    embed = BokehEmbed(Quart("site"))
    with pytest.raises(TypeError, match="not an async one"):
        asyncio.run(getattr(embed, method)("sliders", customize=change))


def test_a_pull_outside_of_a_request_takes_no_place_for_ever():
    async def pull() -> None:
        app = Quart("site")
        app.config["BOKEH_SERVERS"] = "http://127.0.0.1:9"
        embed = BokehEmbed(app)
        async with app.test_app():
            for _ in range(2):
                with pytest.raises(NoServer):
                    await embed.script("sliders")
            assert repr(embed.runtime.pool.waiting) == "<Waiting 0 of 200>"

    asyncio.run(pull())
