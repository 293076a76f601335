"""The table of options is complete for the installed ssh, true, and what docs/ssh.md shows."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from asyncssh.kex import get_kex_algs
from testbed.places import ROOT
from testbed.sshd import Sshd

from flow_core.errors import AuthError, ConfigError
from flow_core.ssh.host import SshHost
from flow_core.ssh.ssh_config import find_settings
from flow_core.ssh.ssh_config_options import OPTIONS, Treatment

pytestmark = pytest.mark.needs("ssh")

_HYBRID = "sntrup761x25519-sha512@openssh.com"
# A value other than the default, for every option that the program itself has to act on.
VALUES = {
    "AddKeysToAgent": "yes",
    "AddressFamily": "inet6",
    "BatchMode": "yes",
    "BindAddress": "127.0.0.1",
    "BindInterface": "lo",
    "CASignatureAlgorithms": "ssh-ed25519",
    "CertificateFile": "/c",
    "CheckHostIP": "yes",
    "Ciphers": "aes256-ctr",
    "Compression": "yes",
    "ConnectionAttempts": "3",
    "ConnectTimeout": "1m",
    "ForwardAgent": "/agent",
    "ForwardX11": "yes",
    "GlobalKnownHostsFile": "/g",
    "HashKnownHosts": "yes",
    "HostKeyAlgorithms": "ssh-ed25519",
    "HostKeyAlias": "other",
    "IdentitiesOnly": "yes",
    "IdentityAgent": "/agent",
    "IdentityFile": "/i",
    "KbdInteractiveAuthentication": "no",
    "KbdInteractiveDevices": "pam",
    "KexAlgorithms": "curve25519-sha256",
    "KnownHostsCommand": "/bin/true %H",
    "MACs": "hmac-sha2-256",
    "NoHostAuthenticationForLocalhost": "yes",
    "NumberOfPasswordPrompts": "1",
    "PasswordAuthentication": "no",
    "Port": "77",
    "PreferredAuthentications": "password",
    "ProxyCommand": "nc %h %p",
    "ProxyJump": "jump",
    "ProxyUseFdpass": "yes",
    "PubkeyAcceptedAlgorithms": "ssh-ed25519",
    "PubkeyAuthentication": "no",
    "RekeyLimit": "1G 1h",
    "RemoteCommand": "tmux",
    "RequiredRSASize": "3072",
    "RevokedHostKeys": "/r",
    "SendEnv": "LANG",
    "ServerAliveCountMax": "7",
    "ServerAliveInterval": "1m",
    "SetEnv": "A=b",
    "StrictHostKeyChecking": "yes",
    "TCPKeepAlive": "no",
    "User": "someone",
    "UserKnownHostsFile": "/u",
}
# Printed only where they are set.
ALSO_SET = {
    "ControlPath": "/c",
    "DynamicForward": "1080",
    "GSSAPIClientIdentity": "me",
    "GSSAPIServerIdentity": "it",
    "LocalCommand": "true",
    "LocalForward": "8888 localhost:80",
    "PKCS11Provider": "/p.so",
    "RemoteForward": "8889 localhost:80",
}


def printed(config: Path, *lines: str) -> set[str]:
    config.write_text("\n".join(("IgnoreUnknown GSSAPI*", *lines)) + "\n")
    done = subprocess.run(["ssh", "-G", "-F", config, "far"], capture_output=True, text=True, check=True)
    return {line.partition(" ")[0].lower() for line in done.stdout.splitlines()}


def documented() -> set[str]:
    """The options of the manual of the installed ssh, where it is installed."""
    pages = [path for path in Path("/usr/share/man").glob("man5/ssh_config.5*") if path.suffix in (".gz", ".5")]
    texts = [
        gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text() for path in pages
    ]
    return {name for text in texts for name in re.findall(r"^\.It Cm (\w+)$", text, re.MULTILINE)}


def test_every_option_of_the_installed_ssh_is_in_the_table(tmp_path: Path) -> None:
    values = {name: value for name, value in (VALUES | ALSO_SET).items() if name != "ProxyJump"}
    found = printed(tmp_path / "config", *(f"{name} {value}" for name, value in values.items()))
    assert {name for name in found if name not in OPTIONS} == set()
    assert {name for name in documented() if name.lower() not in OPTIONS} == set()
    assert {"sendenv", "remotecommand", "knownhostscommand"} <= found


async def test_every_option_that_is_honoured_or_passed_on_changes_how_a_host_is_reached(tmp_path: Path) -> None:
    acted = (Treatment.HONOURED, Treatment.PASSED_ON)
    names = {option.name for option in OPTIONS.values() if option.treatment in acted and option.note != "by `ssh -G`"}
    assert names == set(VALUES)
    config = tmp_path / "config"
    config.write_text("")
    plain = await find_settings("far", config=config)
    for name, value in VALUES.items():
        if name.lower() not in printed(config, f"{name} {value}"):
            continue  # an older ssh
        config.write_text(f"Host far\n  {name} {value}\n")
        assert await find_settings("far", config=config) != plain, name


def test_the_manual_shows_the_table() -> None:
    text = (ROOT / "docs/ssh.md").read_text()
    shown = [line for line in text.splitlines() if re.fullmatch(r"\| \w+ \| .* \| .*\|", line)]
    rows = [f"| {one.name} | {one.treatment} | {one.note} |".replace("|  |", "| |") for one in OPTIONS.values()]
    assert [line for line in shown if line.split()[1].lower() in OPTIONS] == rows


@pytest.fixture
def newer_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that prints an option which nobody has heard of."""
    real = shutil.which("ssh")
    script = tmp_path / "bin" / "ssh"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\n{real} "$@" && echo "quantumtunnel yes"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")


@pytest.mark.needs("sshd")
async def test_an_option_of_a_newer_ssh_is_skipped_and_listed_where_a_login_fails(sshd: Sshd, newer_ssh: None) -> None:
    async with await SshHost.find("far", config=sshd.config()) as host:
        assert host.settings.unknown_options == ("quantumtunnel",)
        assert (await host.run("echo hello")).stdout == b"hello\n"
    sshd.authorized_keys.write_text("")
    with pytest.raises(AuthError, match=r"have no effect here: HostbasedAuthentication, quantumtunnel$"):
        await (await SshHost.find("far", config=sshd.config("HostbasedAuthentication yes"))).run("true")


async def test_a_connection_that_the_config_refuses_is_refused_in_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "ssh"
    script.write_text("#!/bin/sh\necho hostname far\necho refuseconnection moved to gpu9\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(ConfigError, match="the ssh config refuses 'far': 'moved to gpu9'"):
        await find_settings("far")


@pytest.mark.needs("sshd")
@pytest.mark.skipif(_HYBRID.encode() in get_kex_algs(), reason="this asyncssh has a library for it")
async def test_algorithms_that_asyncssh_lacks_are_refused_by_the_name_of_their_option(sshd: Sshd) -> None:
    config = sshd.config(f"KexAlgorithms {_HYBRID}")
    with pytest.raises(ConfigError, match=rf"^KexAlgorithms: none of '{_HYBRID}' is supported here; allow one more"):
        await (await SshHost.find("far", config=config)).run("true")
    async with await SshHost.find("far", config=sshd.config(f"KexAlgorithms {_HYBRID},curve25519-sha256")) as host:
        assert (await host.run("echo hello")).stdout == b"hello\n"
