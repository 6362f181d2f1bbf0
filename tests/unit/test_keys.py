from __future__ import annotations

import multiprocessing
import secrets

import pytest

from quart_app.settings import Settings, SettingsError


def test_without_a_secret_key_all_processes_of_one_start_have_the_same_and_no_other_start_has(monkeypatch):
    process = multiprocessing.current_process()
    first = Settings.from_config({}).secret_keys
    assert Settings.from_config({}).secret_keys == first
    monkeypatch.setattr(process, "authkey", secrets.token_bytes(32))
    assert Settings.from_config({}).secret_keys != first
    assert process.authkey not in first


@pytest.mark.parametrize("older", ["o" * 32, ["o" * 32], [b"o" * 32], ("o" * 32,)])
def test_older_keys_come_after_the_one_that_signs(older):
    settings = Settings.from_config({"SECRET_KEY": "n" * 32, "SECRET_KEY_FALLBACKS": older})
    assert settings.secret_keys == (b"n" * 32, b"o" * 32)
    assert settings.secret_key == b"n" * 32


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("SECRET_KEY_FALLBACKS", ["short"]),
        ("BOKEH_TRUSTED_PROXIES", "proxy.example"),
        ("BOKEH_TRUSTED_PROXIES", "10.0.0.0/40"),
        ("BOKEH_MAX_CONNECTS", 0),
        ("BOKEH_DELIVERY", "relayed"),
    ],
)
def test_a_wrong_value_is_refused_with_the_name_of_its_key(key, value):
    with pytest.raises(SettingsError, match=key):
        Settings.from_config({"SECRET_KEY": "n" * 32, key: value})
