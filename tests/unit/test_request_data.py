from __future__ import annotations

import asyncio

import pytest
from quart import Quart

from quart_app import BokehEmbed
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
