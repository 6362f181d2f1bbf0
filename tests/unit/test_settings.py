from __future__ import annotations

import pytest

from quart_app.settings import SETTINGS, Settings, SettingsError


def test_without_any_key_every_setting_has_its_default():
    settings = Settings.from_config({})
    assert settings.servers == ()
    assert settings.processes == 1
    assert settings.pull_timeout == 10
    assert len(settings.secret_key) == 32


def test_servers_are_separated_by_commas():
    settings = Settings.from_config({"BOKEH_SERVERS": "http://a:5006/, https://b/prefix"})
    assert settings.servers == ("http://a:5006", "https://b/prefix")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("BOKEH_SERVERS", "localhost:5006"),
        ("BOKEH_SERVERS", "http://localhost:port"),
        ("BOKEH_SERVERS", 5006),
        ("BOKEH_PROCESSES", "many"),
        ("BOKEH_PROCESSES", 0),
        ("BOKEH_PROCESSES", 1.5),
        ("BOKEH_DELIVERY", "pigeon"),
        ("BOKEH_PUBLIC_URL", "http://plots.example"),
        ("BOKEH_PULL_TIMEOUT", "nan"),
        ("BOKEH_PULL_TIMEOUT", -1),
        ("BOKEH_MAX_MESSAGE", "20MB"),
        ("BOKEH_MAX_MESSAGE", 65_536),
        ("SECRET_KEY", "short"),
    ],
)
def test_an_invalid_value_is_refused_with_one_line_that_names_its_key(key, value):
    with pytest.raises(SettingsError, match=key) as error:
        Settings.from_config({key: value})
    assert "\n" not in str(error.value)


def test_an_unknown_key_is_warned_about_with_the_nearest_known_one(caplog):
    Settings.from_config({"BOKEH_SERVER": "http://a"})
    assert "BOKEH_SERVER; did you mean BOKEH_SERVERS?" in caplog.text


@pytest.fixture
def environment(monkeypatch):
    """Return ``monkeypatch.setenv``, in an environment without variables of ours."""
    for key in SETTINGS:
        monkeypatch.delenv(key, raising=False)
        monkeypatch.delenv(f"QUART_{key}", raising=False)
    return monkeypatch.setenv


def test_a_variable_without_the_prefix_is_warned_about(environment, caplog):
    environment("BOKEH_DEV", "1")
    environment("BOKEH_APPS", "elsewhere")
    Settings.from_config({"BOKEH_APPS": "examples"})
    assert sorted(caplog.messages) == [
        "The environment variable BOKEH_APPS has no effect; the setting is QUART_BOKEH_APPS",
        "The environment variable BOKEH_DEV is Bokeh's own and switches Bokeh's developer mode; "
        "the setting is QUART_BOKEH_DEV",
    ]


def test_variables_with_the_prefix_read_by_the_site_or_of_bokeh_alone_are_not_warned_about(
    environment, caplog
):
    environment("BOKEH_DEV", "1")
    environment("QUART_BOKEH_DEV", "1")
    environment("BOKEH_SERVERS", "http://a")
    for key in ("BOKEH_ALLOW_WS_ORIGIN", "BOKEH_SECRET_KEY", "BOKEH_SIGN_SESSIONS"):
        environment(key, "x")
    Settings.from_config({"BOKEH_SERVERS": "http://a"})
    assert not caplog.messages
