"""How a host is reached: the user's config as ssh itself reads it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from flow_core.errors import ConfigError, Unreachable
from flow_core.ssh.settings import Algorithms, HostSettings
from flow_core.ssh.ssh_config import find_settings

pytestmark = pytest.mark.needs("ssh")
CONFIG = """
Include {folder}/more
Host gpu
  HostName 10.1.2.3
  User ubuntu
  Port 2222
  ProxyJump me@jump:2201,inner
  IdentityFile "~/keys/a b"
  IdentityFile %d/keys/%h-%p-%r-%n
  IdentityAgent {folder}/agent
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known1 "{folder}/known 2"
  GlobalKnownHostsFile none
  HostKeyAlias gpu-alias
  StrictHostKeyChecking accept-new
  HashKnownHosts yes
  ServerAliveInterval 7
  ServerAliveCountMax 2
  ConnectTimeout 9
  Compression yes
Host inner
  HostName inner.example
  ProxyJump none
Match host special user root
  Port 77
Host proxied
  ProxyCommand nc -x socks:%p %h 22
  IdentityAgent none
  StrictHostKeyChecking no
Host ring
  ProxyJump ring2
Host ring2
  ProxyJump ring
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "more").write_text("Host jump\n  HostName jump.example\n  User wrong\n")
    path = tmp_path / "config"
    path.write_text(CONFIG.format(folder=tmp_path))
    return path


async def test_a_host_is_all_that_the_config_says(config: Path, home: Path, tmp_path: Path) -> None:
    found = await find_settings("gpu", config=config)
    assert replace(found, hops=(), algorithms=Algorithms()) == HostSettings(
        alias="gpu",
        hostname="10.1.2.3",
        user="ubuntu",
        port=2222,
        identity_files=(home / "keys/a b", home / "keys/10.1.2.3-2222-ubuntu-gpu"),
        identities_only=True,
        agent=tmp_path / "agent",
        known_hosts=(tmp_path / "known1", tmp_path / "known 2"),
        host_key_alias="gpu-alias",
        hashes_names=True,
        strictness="accept-new",
        keepalive_s=7,
        keepalive_count=2,
        connect_timeout_s=9,
        is_compressed=True,
    )
    assert [(hop.alias, hop.hostname, hop.port) for hop in found.hops] == [
        ("jump", "jump.example", 2201),
        ("inner", "inner.example", 22),
    ]
    assert found.hops[0].user == "me"
    assert found.key_name == "gpu-alias"


async def test_what_only_ssh_reads_is_read(config: Path) -> None:
    found = await find_settings("gpu", config=config)
    assert (found.strictness, found.hashes_names) == ("accept-new", True)
    # `no` would take a changed key too; that is the one thing in which the config isn't followed.
    assert (await find_settings("proxied", config=config)).strictness == "accept-new"


async def test_a_proxy_command_and_no_agent(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/somewhere")
    found = await find_settings("proxied", config=config)
    assert found.proxy_command == "nc -x socks:22 proxied 22"
    assert found.agent is None
    assert (await find_settings("other", config=config)).agent == Path("/somewhere")


async def test_a_host_the_config_does_not_know_is_what_ssh_would_make_of_it(config: Path) -> None:
    found = await find_settings("plain.example", config=config)
    assert (found.hostname, found.port, found.hops, found.proxy_command) == ("plain.example", 22, (), None)
    assert found.user
    assert (found.keepalive_s, found.keepalive_count) == (5, 3)


async def test_the_users_own_config_and_keys_are_those_of_home(home: Path) -> None:
    (home / ".ssh").mkdir()
    (home / ".ssh/config").write_text("Host mine\n  User someone\n")
    found = await find_settings("mine")
    assert found.user == "someone"
    assert {path.parent for path in found.identity_files} == {home / ".ssh"}
    assert {path.parent for path in found.known_hosts} == {home / ".ssh"}


async def test_jump_hosts_that_form_a_loop_are_refused(config: Path) -> None:
    with pytest.raises(ConfigError, match="form a loop"):
        await find_settings("ring", config=config)


async def test_a_config_that_ssh_refuses_is_said_in_its_words(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("Nonsense yes\n")
    with pytest.raises(ConfigError, match="nonsense"):
        await find_settings("x", config=tmp_path / "config")


async def test_a_config_that_runs_something_endless_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flow_core.ssh.ssh_config._DEADLINE_S", 0.3)
    (tmp_path / "config").write_text('Match exec "exec sleep 30"\n  User x\n')
    with pytest.raises(Unreachable, match="Match exec"):
        await find_settings("x", config=tmp_path / "config")


def test_a_host_that_nobody_has_used_costs_no_asyncssh() -> None:
    script = (
        "import sys; from flow_core.ssh.host import SshHost; from flow_core.ssh.settings import HostSettings;"
        "SshHost(HostSettings('a', 'b', 'c')); print('asyncssh' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
