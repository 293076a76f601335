"""How a host is reached, where no ssh is started."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow_core.errors import ConfigError
from flow_core.ssh.settings import HostSettings, Jump, parse_jumps
from flow_core.ssh.ssh_config import SshConfigOverrides, find_settings
from flow_core.ssh.ssh_config_parser import parse_settings, read_options


async def test_without_ssh_a_config_is_not_guessed_at_and_its_defaults_serve_where_there_is_none(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    monkeypatch.setattr("flow_core.ssh.ssh_config._SYSTEM_CONFIG", tmp_path / "none")
    found = await find_settings("mine", overrides=SshConfigOverrides("10.0.0.7", "me", 2222))
    assert (found.hostname, found.user, found.port) == ("10.0.0.7", "me", 2222)
    assert home / ".ssh/id_ed25519" in found.identity_files
    assert found.known_hosts == (home / ".ssh/known_hosts",)
    (home / ".ssh").mkdir()
    (home / ".ssh/config").write_text("Host mine\n  User someone\n")
    with pytest.raises(ConfigError, match=r"config' can't be read without the program ssh: install the OpenSSH"):
        await find_settings("mine")


@pytest.mark.parametrize("name", ["", "-oProxyCommand=touch x", "a b", "a;b", "a\nb", "$(x)", "'"])
async def test_an_invalid_host_name_never_reaches_ssh(name: str) -> None:
    with pytest.raises(ConfigError, match="host"):
        await find_settings(name)


def test_jumps_as_ssh_writes_them() -> None:
    assert parse_jumps("none") == ()
    assert parse_jumps("a,me@b:2,[::1]:22,ssh://x@[fe80::1]:7") == (
        Jump("a"),
        Jump("b", "me", 2),
        Jump("::1", None, 22),
        Jump("fe80::1", "x", 7),
    )
    for wrong in ("-oX=y", "a:b:c", "a b", ","):
        with pytest.raises(ConfigError):
            parse_jumps(wrong)


@given(st.text(max_size=200))
def test_any_output_of_ssh_is_parsed_or_refused(text: str) -> None:
    try:
        found, _ = parse_settings(read_options(text), "x", {})
    except ConfigError:
        return
    assert found.alias == "x"


def test_an_address_shows_its_port_only_if_unusual() -> None:
    assert HostSettings("a", "fe80::1", "me", 22).address == "[fe80::1]"
    assert HostSettings("a", "host", "me", 2222).address == "host:2222"
    assert HostSettings("a", "Host", "me", 2222).key_name == "[host]:2222"
