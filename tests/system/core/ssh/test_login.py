"""Logging in: files, the agent, passphrases, and what only a person can answer."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from testbed.sshd import Sshd, make_key
from testbed.strict_sshd import SECRET, strict_sshd
from testbed.waiting import until_over

from flow_core.errors import AuthError, NotFound, Unreachable
from flow_core.ssh.host import SshHost
from flow_core.ssh.settings import HostSettings
from flow_core.ssh.ssh_config import find_settings

pytestmark = pytest.mark.needs("sshd")
LIMIT_S = 2.0


async def hello(settings: HostSettings, prompter: Any = None) -> bytes:
    async with SshHost(settings, prompter=prompter) as host:
        return (await host.run("echo hello")).stdout


@pytest.fixture
async def settings(sshd: Sshd) -> HostSettings:
    return await find_settings("far", config=sshd.config())


@pytest.fixture
def locked(sshd: Sshd, tmp_path: Path) -> Path:
    """A key with a passphrase that the server takes, and no other."""
    key = make_key(tmp_path / "id_locked", passphrase=SECRET)
    sshd.authorized_keys.write_text(key.with_suffix(".pub").read_text())
    return key


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Path]:
    socket = tmp_path / "agent"
    told = subprocess.run(["ssh-agent", "-a", socket], capture_output=True, text=True, check=True).stdout
    pid = re.search(r"SSH_AGENT_PID=(\d+)", told)
    assert pid is not None
    yield socket
    os.kill(int(pid[1]), 15)


def add(agent: Path, key: Path) -> None:
    subprocess.run(["ssh-add", "-q", key], env={**os.environ, "SSH_AUTH_SOCK": str(agent)}, check=True)


async def test_a_wrong_key_is_named_with_the_user_it_was_tried_for(settings: HostSettings, tmp_path: Path) -> None:
    other = make_key(tmp_path / "id_other")
    with pytest.raises(AuthError, match=f"'{settings.user}'.*id_other") as refusal:
        await hello(replace(settings, identity_files=(other,)))
    assert "BEGIN" not in str(refusal.value)


async def test_keys_are_tried_in_turn_and_missing_ones_passed_over(settings: HostSettings, tmp_path: Path) -> None:
    other = make_key(tmp_path / "id_other", kind="ecdsa")
    (tmp_path / "id_broken").write_text(
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
    )
    files = (tmp_path / "id_none", tmp_path / "id_broken", tmp_path, other, *settings.identity_files)
    assert await hello(replace(settings, identity_files=files)) == b"hello\n"


async def test_a_key_in_the_agent_is_used(settings: HostSettings, sshd: Sshd, agent: Path) -> None:
    add(agent, sshd.key)
    assert await hello(replace(settings, identity_files=(), agent=agent)) == b"hello\n"


async def test_identities_only_limits_the_keys_of_the_agent(
    settings: HostSettings, sshd: Sshd, agent: Path, tmp_path: Path
) -> None:
    add(agent, sshd.key)
    other = make_key(tmp_path / "id_other")
    settings = replace(settings, identity_files=(other,), agent=agent, identities_only=True)
    with pytest.raises(AuthError, match=r"shown id_other;"):
        await hello(settings)


async def test_a_missing_agent_is_no_error(settings: HostSettings, tmp_path: Path) -> None:
    assert await hello(replace(settings, agent=tmp_path / "nobody")) == b"hello\n"


def held(agent: Path) -> str:
    listed = subprocess.run(["ssh-add", "-l"], env={**os.environ, "SSH_AUTH_SOCK": str(agent)}, capture_output=True)
    return listed.stdout.decode()


async def test_an_unlocked_key_is_added_to_the_agent_if_configured(
    sshd: Sshd, locked: Path, agent: Path, someone: Any
) -> None:
    lines = (f"IdentityFile {locked}", f"IdentityAgent {agent}")
    plain = await find_settings("far", config=sshd.config(*lines))
    assert await hello(plain, someone(SECRET)) == b"hello\n"
    assert "ED25519" not in held(agent)
    adding = await find_settings("far", config=sshd.config(*lines, "AddKeysToAgent yes"))
    assert await hello(adding, someone(SECRET)) == b"hello\n"
    assert "ED25519" in held(agent)
    assert await hello(adding) == b"hello\n"


async def test_a_locked_key_without_a_public_half_is_unlocked_when_it_is_tried(
    settings: HostSettings, sshd: Sshd, tmp_path: Path, someone: Any
) -> None:
    key = tmp_path / "id_pem"
    make = ["ssh-keygen", "-q", "-t", "ecdsa", "-m", "PEM", "-N", SECRET, "-f", key]
    subprocess.run(make, check=True)
    key.with_suffix(".pub").rename(sshd.authorized_keys)
    prompter = someone("wrong", SECRET)
    assert await hello(replace(settings, identity_files=(key,)), prompter) == b"hello\n"
    assert [(asked.kind, asked.attempt) for asked in prompter.questions] == [("passphrase", 1), ("passphrase", 2)]


async def test_the_agent_is_forwarded_only_if_configured(
    sshd: Sshd, agent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(agent, sshd.key)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
    line = "ssh-add -l || echo none"
    for lines in (("ForwardAgent yes", "IdentityAgent SSH_AUTH_SOCK"), (f"ForwardAgent {agent}",)):
        async with await SshHost.find("far", config=sshd.config(*lines)) as host:
            assert b"ED25519" in (await host.run(line)).stdout
    async with await SshHost.find("far", config=sshd.config()) as host:
        assert (await host.run(line)).stdout == b"none\n"


async def test_a_wrong_passphrase_is_asked_again_and_a_right_one_only_once(
    settings: HostSettings, locked: Path, someone: Any
) -> None:
    prompter = someone("wrong", SECRET)
    async with SshHost(replace(settings, identity_files=(locked,)), prompter=prompter) as host:
        assert (await host.run("echo hello")).stdout == b"hello\n"
        shell = await host.open_shell(columns=80, rows=24, command="true")
        assert await shell.wait() == 0
        await shell.close()
    assert [(asked.kind, asked.attempt) for asked in prompter.questions] == [("passphrase", 1), ("passphrase", 2)]
    assert "id_locked" in prompter.questions[0].prompt


async def test_three_wrong_passphrases_are_enough_and_none_is_repeated(
    settings: HostSettings, locked: Path, someone: Any
) -> None:
    prompter = someone("one-wrong", "two-wrong", "three-wrong", SECRET)
    with pytest.raises(AuthError, match="id_locked") as refusal:
        await hello(replace(settings, identity_files=(locked,)), prompter)
    assert len(prompter.questions) == 3
    chain: BaseException | None = refusal.value
    while chain is not None:
        assert "wrong" not in str(chain)
        chain = chain.__cause__ or chain.__context__


async def test_without_a_prompter_a_locked_key_is_named(settings: HostSettings, locked: Path) -> None:
    with pytest.raises(AuthError, match=r"id_locked stayed locked.*ssh-add"):
        await hello(replace(settings, identity_files=(locked,)))


async def test_no_passphrase_is_asked_for_a_key_that_the_host_rejects(
    settings: HostSettings, sshd: Sshd, tmp_path: Path, someone: Any
) -> None:
    unwanted = make_key(tmp_path / "id_unwanted", passphrase=SECRET)
    unwanted.with_suffix(".pub").unlink()
    prompter = someone(SECRET)
    assert await hello(replace(settings, identity_files=(unwanted, sshd.key)), prompter) == b"hello\n"
    assert prompter.questions == []


async def test_the_time_of_a_passphrase_prompt_does_not_count_against_the_connect_timeout(
    settings: HostSettings, locked: Path, someone: Any
) -> None:
    class Slow(someone):  # type: ignore[misc]
        async def ask_secret(self, question: Any) -> str | None:
            await until_over(LIMIT_S)
            return await super().ask_secret(question)  # type: ignore[no-any-return]

    hasty = replace(settings, identity_files=(locked,), connect_timeout_s=LIMIT_S)
    assert await hello(hasty, Slow(SECRET)) == b"hello\n"


@pytest.fixture
async def strict(request: pytest.FixtureRequest, sshd: Sshd) -> AsyncIterator[HostSettings]:
    async with strict_sshd(sshd.folder, sshd.host_key, request.param) as settings:
        yield settings


@pytest.mark.parametrize("strict", ["password"], indirect=True)
async def test_a_password_is_asked_three_times(strict: HostSettings, someone: Any) -> None:
    prompter = someone("no", "nein", SECRET)
    assert await hello(strict, prompter) == b"hello\n"
    assert [(asked.kind, asked.attempt) for asked in prompter.questions] == [(("password"), n) for n in (1, 2, 3)]
    with pytest.raises(AuthError):
        await hello(strict, someone("no", "nein", "non", SECRET))


@pytest.mark.parametrize("strict", ["password", "code"], indirect=True)
async def test_without_a_prompter_a_password_login_says_what_to_do(strict: HostSettings) -> None:
    with pytest.raises(AuthError, match="connect from the dashboard to enter it"):
        await hello(strict)


@pytest.mark.parametrize("strict", ["code"], indirect=True)
async def test_a_second_factor_is_asked_with_the_text_of_the_host(strict: HostSettings, someone: Any) -> None:
    prompter = someone(SECRET, "123456")
    assert await hello(strict, prompter) == b"hello\n"
    assert [(asked.prompt.splitlines()[-1], asked.is_secret) for asked in prompter.questions] == [
        ("Password:", True),
        ("Code:", False),
    ]


async def test_a_closed_port_is_unreachable(settings: HostSettings, sshd: Sshd) -> None:
    sshd.stop()
    with pytest.raises(Unreachable, match="refused the connection"):
        await hello(settings)


async def test_an_unknown_host_name_is_not_found() -> None:
    with pytest.raises(NotFound, match="no host 'nowhere'"):
        await hello(HostSettings("nowhere", "nowhere.invalid", "me"))


async def test_a_port_of_another_protocol_is_an_error(sshd: Sshd) -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises((Unreachable, AuthError, Exception)) as refusal:
            await hello(HostSettings("web", "127.0.0.1", "me", port, known_hosts=(sshd.known_hosts,)))
    assert "'web'" in str(refusal.value)


async def test_a_silent_port_is_unreachable_after_the_connect_timeout(sshd: Sshd) -> None:
    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        settings = HostSettings("mute", "127.0.0.1", "me", port, known_hosts=(sshd.known_hosts,), connect_timeout_s=0.3)
        with pytest.raises(Unreachable, match=r"'mute'.*did not answer within 0\.3 s"):
            await hello(settings)


async def test_the_time_of_a_passphrase_prompt_does_not_count_against_the_command_timeout(
    settings: HostSettings, locked: Path, someone: Any
) -> None:
    class Slow(someone):  # type: ignore[misc]
        async def ask_secret(self, question: Any) -> str | None:
            await until_over(LIMIT_S)
            return await super().ask_secret(question)  # type: ignore[no-any-return]

    async with SshHost(replace(settings, identity_files=(locked,)), prompter=Slow(SECRET)) as host:
        assert (await host.run("echo hello", timeout_s=LIMIT_S)).stdout == b"hello\n"
        with pytest.raises(Unreachable, match="did not end within 1 s"):
            await host.run("sleep 60", timeout_s=1.0)
