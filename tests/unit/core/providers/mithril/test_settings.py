"""Settings of the Mithril API from the environment."""

from __future__ import annotations

import pytest
from testbed.tables import each

from flow_core.errors import ConfigError
from flow_core.providers.mithril.config_schema import MithrilConfigSchema
from flow_core.providers.mithril.settings import MithrilSettings, read_environment_settings, read_settings
from flow_core.providers.mithril.shared_state import MithrilSession
from flow_core.ssh.settings import HostSettings


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MITHRIL_API_KEY", "MITHRIL_API_URL", "MITHRIL_PROJECT"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_key_there_is_no_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_environment_settings() is None
    monkeypatch.setenv("MITHRIL_API_KEY", "  ")
    monkeypatch.setenv("MITHRIL_API_URL", "nonsense")
    assert read_environment_settings() is None


def test_an_api_key_alone_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MITHRIL_API_KEY", "fkey_secret\n")
    found = read_environment_settings()
    assert found == MithrilSettings("fkey_secret", "https://api.mithril.ai", None)
    assert "secret" not in f"{found} {found!r}"


@pytest.mark.parametrize(
    "url", ["https://api.example/", "http://localhost:8080", "http://127.0.0.1:1/base/", "http://[::1]:8080"]
)
def test_an_address_may_be_elsewhere(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("MITHRIL_API_KEY", "k")
    monkeypatch.setenv("MITHRIL_API_URL", url)
    found = read_environment_settings()
    assert found is not None
    assert found.url == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example",
        "http://127.0.0.1.example.com",
        "ftp://localhost",
        "api.example",
        "https://",
        "https://user:secret@api.example",
        "https://api.example:port",
        "https://[::1",
        "https://api.example/?a=b",
        "https://api.ex\x1bample",
    ],
)
def test_an_address_that_is_invalid_or_exposes_the_key_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("MITHRIL_API_KEY", "k")
    monkeypatch.setenv("MITHRIL_API_URL", url)
    with pytest.raises(ConfigError) as refused:
        read_environment_settings()
    assert refused.value.field == "MITHRIL_API_URL"
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("key", ["two words", "k\x00", "ключ", "x" * 1000, "a\nb"])
def test_an_invalid_key_is_refused_without_being_repeated(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    if "\x00" in key:
        key = "k\x7f"  # an environment can't hold NUL
    monkeypatch.setenv("MITHRIL_API_KEY", key)
    with pytest.raises(ConfigError) as refused:
        read_environment_settings()
    assert key not in str(refused.value)


async def test_a_context_sets_how_long_a_login_to_a_machine_and_its_jump_hosts_may_take() -> None:
    account = MithrilSession("cloud", read_settings({"api_key": "k", "login_timeout_s": 7}), None)
    host = account.pool.get_host(
        HostSettings("inner", "10.0.0.2", "me", hops=(HostSettings("head", "10.0.0.1", "me"),))
    )
    assert [one.login_timeout_s for one in (host.settings, *host.settings.hops)] == [7.0, 7.0]


@each("seconds", [0, -1, True, "soon", float("nan"), float("inf"), 1e9])
def test_an_invalid_login_timeout_is_named(seconds: object) -> None:
    (problem,) = MithrilConfigSchema().validate_config({"api_key": "k", "login_timeout_s": seconds})
    assert problem == "login_timeout_s: must be a number of seconds above 0 and at most 86400"
