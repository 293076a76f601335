"""The system's ssh, told to reach hosts as we do, run against real servers."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from testbed.sshd import Sshd, make_key
from testbed.waiting import DEADLINE_S

from flow_core.errors import ConfigError
from flow_core.ssh.command_line import build_explicit_ssh_argv, build_ssh_words
from flow_core.ssh.settings import HostSettings, get_account_home
from flow_core.ssh.ssh_config import find_settings

pytestmark = pytest.mark.needs("ssh", "sshd")


async def say(words: list[str], *command: str) -> str:
    done = await asyncio.to_thread(
        subprocess.run, [*words, *command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE_S
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_the_command_line_of_an_unknown_host_names_its_key_and_known_hosts(sshd: Sshd) -> None:
    settings = await find_settings("far", config=sshd.config("HostKeyAlias instance-7", "IdentitiesOnly yes"))
    kind, data, *_ = sshd.host_key.with_suffix(".pub").read_text().split()
    sshd.known_hosts.write_text(f"instance-7 {kind} {data}\n")
    words = await build_ssh_words(settings)
    assert "far" not in words
    assert await say(words, "echo there") == "there\n"
    sshd.known_hosts.write_text("")
    with pytest.raises(AssertionError, match="Host key verification failed"):
        await say([words[0], "-o", "BatchMode=yes", *words[1:]], "true")


async def test_jump_hosts_are_used(make_sshd: Callable[..., Sshd]) -> None:
    inner, outer = make_sshd(), make_sshd()
    jump = await find_settings("jump", config=outer.config(name="jump"))
    settings = replace(await find_settings("far", config=inner.config()), hops=(jump,))
    outer.log.write_text("")
    assert await say(await build_ssh_words(settings), "echo there") == "there\n"
    assert "Accepted publickey" in outer.log.read_text()


async def test_paths_with_spaces_and_percent_signs_are_quoted(sshd: Sshd, tmp_path: Path) -> None:
    odd = tmp_path / "50%d of it"
    odd.mkdir()
    settings = await find_settings("far", config=sshd.config())
    key = make_key(odd / "a key")
    sshd.authorized_keys.write_text(key.with_suffix(".pub").read_text())
    known = sshd.known_hosts.rename(odd / "known hosts")
    words = await build_ssh_words(replace(settings, identity_files=(key,), known_hosts=(known,)))
    assert await say(words, "echo there") == "there\n"


async def test_the_users_own_name_for_a_host_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(get_account_home()))
    settings = await find_settings("somewhere.example")
    assert await build_ssh_words(settings) == ["ssh", "somewhere.example"]
    assert (await build_ssh_words(replace(settings, port=7777)))[-1].endswith("@somewhere.example")


@pytest.mark.parametrize("line", ["RemoteCommand tmux new", "SessionType none", "ForkAfterAuthentication yes"])
async def test_a_command_runs_also_where_the_config_has_one_of_its_own(
    sshd: Sshd, home: Path, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".ssh").mkdir()
    config = home / ".ssh/config"
    config.write_text(f"Host *\n  {line}\n" + sshd.config().read_text())
    named = await find_settings("far")
    by_name = ["ssh", "-F", str(config), *(await known(named, monkeypatch))[1:]]
    assert by_name[-1] == "far"
    assert await say(by_name, "echo there") == "there\n"
    program, *way = await build_ssh_words(replace(named, identity_files=(*named.identity_files, Path("/none"))))
    assert await say([program, "-F", str(config), *way], "echo there") == "there\n"


async def known(settings: HostSettings, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is typed where HOME is the account's own, by the system's database of accounts."""
    account = list(pwd.getpwuid(os.getuid()))
    account[5] = str(Path.home())
    with monkeypatch.context() as patch:
        patch.setattr(pwd, "getpwuid", lambda _: pwd.struct_passwd(account))
        patch.setenv("PATH", f"{_ssh_of_the_account()}{os.pathsep}{os.environ['PATH']}")
        return await build_ssh_words(settings)


def _ssh_of_the_account() -> Path:
    """A folder with an ssh that takes HOME for the account's home, as it would if the database said so."""
    folder = Path.home() / "bin"
    folder.mkdir()
    (folder / "ssh").write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F "$HOME/.ssh/config" "$@"\n')
    (folder / "ssh").chmod(0o755)
    return folder


def test_a_path_that_ssh_cannot_read_is_refused() -> None:
    with pytest.raises(ConfigError, match="quotes"):
        build_explicit_ssh_argv(HostSettings("far", "127.0.0.1", "me", known_hosts=(Path('/tmp/a"b'),)))
