"""Whose key a host shows, against real servers and real known_hosts files."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from testbed.sshd import Sshd, make_key
from testbed.waiting import DEADLINE_S

from flow_core.errors import HostKeyChanged, HostKeyUnknown, ProviderError
from flow_core.ssh.host import SshHost
from flow_core.ssh.known_hosts import KeyStatus, add_known_host, load_known_keys
from flow_core.ssh.settings import HostSettings
from flow_core.ssh.ssh_config import find_settings

pytestmark = pytest.mark.needs("sshd")


async def hello(config: Path, prompter: Any = None, name: str = "far") -> bytes:
    async with await SshHost.find(name, config=config, prompter=prompter) as host:
        return (await host.run("echo hello")).stdout


def fingerprint(public: Path) -> str:
    return subprocess.run(["ssh-keygen", "-lf", public], capture_output=True, text=True, check=True).stdout.split()[1]


def system_ssh(config: Path, name: str = "far") -> subprocess.CompletedProcess[str]:
    argv = ["ssh", "-F", str(config), "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", name, "echo hello"]
    return subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE_S, check=False)


async def test_a_known_host_is_accepted(sshd: Sshd) -> None:
    assert await hello(sshd.config()) == b"hello\n"


async def test_an_unknown_host_is_refused_with_its_fingerprint_and_the_command_that_accepts_it(sshd: Sshd) -> None:
    sshd.known_hosts.write_text("")
    with pytest.raises(HostKeyUnknown, match="ssh far") as refusal:
        await hello(sshd.config())
    assert refusal.value.fingerprint == fingerprint(sshd.host_key.with_suffix(".pub"))
    assert refusal.value.fingerprint in str(refusal.value)
    assert sshd.known_hosts.read_text() == ""


async def test_an_accepted_key_is_stored_as_openssh_reads_it(sshd: Sshd, someone: Any) -> None:
    sshd.known_hosts.unlink()
    prompter = someone()
    assert await hello(sshd.config(), prompter) == b"hello\n"
    (seen,) = prompter.keys
    assert (seen.host, seen.key_type, seen.seen_at) == ("far", "ssh-ed25519", f"127.0.0.1:{sshd.port}")
    assert seen.fingerprint == fingerprint(sshd.host_key.with_suffix(".pub"))
    assert stat.S_IMODE(sshd.known_hosts.stat().st_mode) == 0o600
    assert system_ssh(sshd.config()).stdout == "hello\n"
    assert await hello(sshd.config()) == b"hello\n"


async def test_a_rejected_key_is_not_stored(sshd: Sshd, someone: Any) -> None:
    sshd.known_hosts.write_text("")
    with pytest.raises(HostKeyUnknown):
        await hello(sshd.config(), someone(trusts=False))
    assert sshd.known_hosts.read_text() == ""


async def test_an_accepted_key_is_added_on_a_line_of_its_own_and_hashed_if_configured(sshd: Sshd, someone: Any) -> None:
    sshd.known_hosts.write_text("# mine")
    assert await hello(sshd.config("HashKnownHosts yes"), someone()) == b"hello\n"
    first, second = sshd.known_hosts.read_text().splitlines()
    assert first == "# mine"
    assert second.startswith("|1|")
    assert system_ssh(sshd.config()).stdout == "hello\n"


async def test_a_hashed_name_is_found(sshd: Sshd) -> None:
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", sshd.known_hosts], check=True, capture_output=True)
    assert "127.0.0.1" not in sshd.known_hosts.read_text()
    assert await hello(sshd.config()) == b"hello\n"


@pytest.mark.parametrize("strictness", ["ask", "no", "accept-new", "yes"])
async def test_a_changed_key_is_refused_with_every_strictness_and_with_a_prompter(
    sshd: Sshd, someone: Any, strictness: str
) -> None:
    had = fingerprint(sshd.host_key.with_suffix(".pub"))
    sshd.change_host_key()
    sshd.stop()
    sshd.start()
    prompter, before = someone(), sshd.known_hosts.read_text()
    with pytest.raises(HostKeyChanged) as refusal:
        await hello(sshd.config(f"StrictHostKeyChecking {strictness}"), prompter)
    text = str(refusal.value)
    assert had in text
    assert fingerprint(sshd.host_key.with_suffix(".pub")) in text
    assert ("StrictHostKeyChecking no" in text) is (strictness == "no")
    assert prompter.keys == []
    assert sshd.known_hosts.read_text() == before
    command = text.partition("remove the old one with: ")[2]
    subprocess.run(["sh", "-c", command], check=True, capture_output=True)
    with pytest.raises(HostKeyUnknown):
        await hello(sshd.config())


async def test_a_key_of_another_kind_than_the_known_one_counts_as_changed(sshd: Sshd, tmp_path: Path) -> None:
    kind, data, *_ = make_key(tmp_path / "other", kind="ecdsa").with_suffix(".pub").read_text().split()
    sshd.known_hosts.write_text(f"[127.0.0.1]:{sshd.port} {kind} {data}\n")
    with pytest.raises(HostKeyChanged):
        await hello(sshd.config())


async def test_a_revoked_key_is_refused(sshd: Sshd, someone: Any) -> None:
    kind, data, *_ = sshd.host_key.with_suffix(".pub").read_text().split()
    with sshd.known_hosts.open("a") as file:
        file.write(f"@revoked * {kind} {data}\n")
    with pytest.raises(HostKeyChanged, match="revoked"):
        await hello(sshd.config(), someone())


async def test_a_certificate_authority_signs_the_key_of_a_host(make_sshd: Callable[..., Sshd], tmp_path: Path) -> None:
    authority = make_key(tmp_path / "authority")
    sshd = make_sshd(f"HostCertificate {tmp_path}/sshd0/host_key-cert.pub")
    sign = ["ssh-keygen", "-q", "-s", authority, "-I", "test", "-h", "-n", "127.0.0.1"]
    subprocess.run([*sign, sshd.host_key.with_suffix(".pub")], check=True)
    sshd.stop()
    sshd.start()
    kind, data, *_ = authority.with_suffix(".pub").read_text().split()
    sshd.known_hosts.write_text(f"@cert-authority [127.0.0.1]:* {kind} {data}\n")
    assert await hello(sshd.config()) == b"hello\n"
    sshd.known_hosts.write_text(f"@cert-authority [127.0.0.1]:* {kind} {data}\n@revoked * {kind} {data}\n")
    with pytest.raises((HostKeyChanged, HostKeyUnknown)):
        await hello(sshd.config())


async def test_unreadable_lines_hide_no_other_line(sshd: Sshd) -> None:
    good = sshd.known_hosts.read_text()
    sshd.known_hosts.write_bytes(b"@what is this\nalone\n|1|bad|worse ssh-rsa A\n\xff\xfe \x00\n" + good.encode())
    assert await hello(sshd.config()) == b"hello\n"


async def test_an_instance_is_known_by_its_id_at_any_address(sshd: Sshd, tmp_path: Path) -> None:
    ours = tmp_path / "state" / "known_hosts"
    settings = replace(
        await find_settings("far", config=sshd.config()),
        host_key_alias="inst_42",
        known_hosts=(ours,),
        strictness="accept-new",
    )
    async with SshHost(settings) as host:
        assert (await host.run("echo hello")).stdout == b"hello\n"
    assert ours.read_text().startswith("inst_42 ssh-ed25519 ")
    sshd.change_host_key()
    sshd.stop()
    sshd.start()
    async with SshHost(settings) as host:
        with pytest.raises(HostKeyChanged):
            await host.run("true")
    async with SshHost(replace(settings, host_key_alias="inst_43")) as host:
        assert (await host.run("echo hello")).stdout == b"hello\n"


@pytest.mark.parametrize(
    "name", ["*", "a,b", "@cert-authority *", "a b", "in?t", "!inst", "in|st", "#inst", "inst\nevil", "in\x1bst", ""]
)
async def test_a_name_with_a_special_meaning_in_known_hosts_is_never_written(
    sshd: Sshd, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "known"
    settings = HostSettings(
        "far", "127.0.0.1", "me", sshd.port, known_hosts=(file,), host_key_alias=name, strictness="accept-new"
    )
    if not name:
        settings = replace(settings, hostname="a b")
    with pytest.raises(ProviderError, match=r"can't be a name in known_hosts; nothing was written"):
        add_known_host(settings, asyncssh.read_public_key(sshd.host_key.with_suffix(".pub")))
    assert not file.exists()


async def test_without_a_known_hosts_file_an_accepted_key_holds_for_the_connection(sshd: Sshd, someone: Any) -> None:
    sshd.known_hosts = Path("/dev/null")
    assert await hello(sshd.config(), someone()) == b"hello\n"


@pytest.fixture
def behind(make_sshd: Callable[..., Sshd]) -> tuple[Sshd, Sshd, Path]:
    """A jump host, a server behind it, and the config that knows the way."""
    jump, far = make_sshd(), make_sshd()
    config = far.config("ProxyJump hop")
    config.write_text(config.read_text() + jump.config(name="hop").read_text())
    far.authorized_keys.write_text(far.authorized_keys.read_text() + jump.authorized_keys.read_text())
    return jump, far, config


async def test_a_host_is_reached_through_a_jump_host(behind: tuple[Sshd, Sshd, Path]) -> None:
    jump, _far, config = behind
    assert await hello(config) == b"hello\n"
    assert "Accepted publickey" in jump.log.read_text()


async def test_the_key_of_a_jump_host_is_verified_too(behind: tuple[Sshd, Sshd, Path], someone: Any) -> None:
    jump, far, config = behind
    jump.known_hosts.write_text("")
    far.known_hosts.write_text("")
    with pytest.raises(HostKeyUnknown, match="'hop'"):
        await hello(config)
    prompter = someone()
    assert await hello(config, prompter) == b"hello\n"
    assert [key.host for key in prompter.keys] == ["hop", "far"]
    assert prompter.keys[1].seen_at.endswith("through hop")
    jump.change_host_key()
    jump.stop()
    jump.start()
    with pytest.raises(HostKeyChanged, match="'hop'"):
        await hello(config, prompter)


async def test_a_host_is_reached_through_a_proxy_command(sshd: Sshd, tmp_path: Path) -> None:
    config = sshd.config(f"ProxyCommand ssh -F {tmp_path}/hop -W %h:%p hop", name="far")
    (tmp_path / "hop").write_text(sshd.config(name="hop").read_text())
    assert await hello(config) == b"hello\n"


def test_a_known_name_is_changed_where_another_key_is_known_at_its_address(tmp_path: Path) -> None:
    mine, other = (asyncssh.read_public_key(make_key(tmp_path / name).with_suffix(".pub")) for name in ("a", "b"))
    file = tmp_path / "known"
    lines = (("gpu1", mine), ("192.0.2.7", other))
    file.write_text("".join(f"{name} {key.export_public_key().decode().strip()}\n" for name, key in lines))
    settings = HostSettings("gpu1", "gpu1", "me", known_hosts=(file,))
    assert load_known_keys(settings).get_status(mine) is KeyStatus.KNOWN
    assert load_known_keys(settings, address="192.0.2.8").get_status(mine) is KeyStatus.KNOWN
    known = load_known_keys(settings, address="192.0.2.7")
    assert (known.get_status(mine), known.trusted) == (KeyStatus.CHANGED, [])
