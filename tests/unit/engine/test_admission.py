from __future__ import annotations

import asyncio

import pytest

from quart_app.engine.admission import Admission, RequestRefused


def test_a_reservation_counts_as_a_session_until_it_is_released():
    async def test() -> None:
        admission = Admission(max_sessions=1)
        async with admission.reserve():
            with pytest.raises(RequestRefused) as refused:
                await admission.reserve().__aenter__()
            assert refused.value.status_code == 503
            assert "--max-sessions" in refused.value.reason_text
        async with admission.reserve():
            pass

    asyncio.run(test())


def test_a_draining_server_reserves_nothing():
    async def test() -> None:
        admission = Admission()
        admission.is_draining = True
        with pytest.raises(RequestRefused) as refused:
            await admission.reserve().__aenter__()
        assert refused.value.status_code == 503
        assert int(refused.value.headers["Retry-After"]) > 0

    asyncio.run(test())
