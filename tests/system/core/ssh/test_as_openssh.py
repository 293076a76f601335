"""One table of configurations: the real ssh and the program agree on whether they let the user log in, and why not."""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from testbed.sshd import Sshd, make_key
from testbed.waiting import DEADLINE_S

from flow_core.errors import FlowError
from flow_core.ssh.host import SshHost

pytestmark = pytest.mark.needs("sshd", "ssh")


@dataclass(frozen=True)
class Case:
    """Lines of a config. Where ssh fails, `ssh` is what it writes and `ours` what the program says, as patterns.

    `{dir}` is the folder of the keys. Without an IdentityFile the key that the server takes is named.
    """

    name: str
    lines: str
    ssh: str = ""
    ours: str = ""


DENIED = r"Permission denied \(publickey\)"
UNVERIFIED = "Host key verification failed"
NOBODY = r"refused the login.*\(the host offers publickey\)"
ONLY_NAMED = "IdentityAgent {dir}/agent\nIdentitiesOnly yes\n"
CASES = (
    Case("nothing special", ""),
    Case(
        "times with units and network options",
        "ServerAliveInterval 1m\nConnectTimeout 1m\nRekeyLimit 1M 1h\n"
        "Compression yes\nTCPKeepAlive no\nIPQoS none\nConnectionAttempts 2\nAddressFamily inet",
    ),
    Case("no IPv4", "AddressFamily inet6", "Could not resolve hostname", "could not be looked up .address family"),
    Case("bound address", "BindAddress 127.0.0.1"),
    Case("foreign address", "BindAddress 192.0.2.1", "Cannot assign requested address", "cannot assign requested addr"),
    Case("nobody listens", "Port 1", "Connection refused", "refused the connection"),
    Case("long label", f"HostName {'a' * 64}.invalid", "Could not resolve hostname", "there is no host 'far'"),
    Case(
        "algorithms",
        "Ciphers aes256-ctr\nMACs hmac-sha2-256\nKexAlgorithms ecdh-sha2-nistp256\nHostKeyAlgorithms ssh-ed25519",
    ),
    Case("other host key kind", "HostKeyAlgorithms ssh-rsa", "no matching host key", "no matching host key.*'ssh-ed25"),
    Case("old cipher", "Ciphers 3des-cbc", "no matching cipher", "no matching cipher.*offers 'chacha20.*Ciphers [+]"),
    Case("old kex", "KexAlgorithms diffie-hellman-group14-sha1", "no matching key", "no matching key exch.*curve25519"),
    Case("accepted algorithms", "PubkeyAcceptedAlgorithms rsa-sha2-512", DENIED, "PubkeyAcceptedAlgorithms excludes"),
    Case("no public keys", "PubkeyAuthentication no", DENIED, "refused the login.*shown no key"),
    Case(
        "unbound keys and other methods",
        "PubkeyAuthentication unbound\nHostbasedAuthentication yes\nGSSAPIAuthentication yes",
    ),
    Case("only passwords", "PreferredAuthentications password", DENIED, "refused the login.*shown no key"),
    Case("keys preferred", "PreferredAuthentications gssapi-with-mic,publickey"),
    Case("wrong key", "IdentityFile {dir}/id_other", DENIED, NOBODY),
    Case("two keys", "IdentityFile {dir}/id_other\nIdentityFile {dir}/id_user"),
    Case("open key", "IdentityFile {dir}/id_open", "bad permissions", "id_open is ignored, as ssh does"),
    Case("variable", "IdentityFile ${{FLOW_KEYS}}/id_user"),
    Case("tokens", "IdentityFile {dir}/id_%%%n"),
    Case(
        "no such variable", "IdentityFile ${{FLOW_NONE}}/id", "FLOW_NONE has no value|invalid", "no variable FLOW_NONE"
    ),
    Case("no such token", "IdentityFile {dir}/%z", "unknown key %z|failed", "IdentityFile: there is no value for %z"),
    Case(
        "no such token of a proxy", "ProxyCommand echo %z", "unknown key %z|failed", "ProxyCommand: .*no value for %z"
    ),
    Case("Windows key", "IdentityFile {dir}/id_crlf", "libcrypto|format", "id_crlf has the line ends of Windows"),
    Case("other .pub", "IdentityFile {dir}/id_mismatch", DENIED, "id_mismatch does not belong to the .pub file"),
    Case("no such file", "IdentityFile {dir}/id_missing", "id_missing: No such file", "id_missing does not exist"),
    Case("small key", "IdentityFile {dir}/id_rsa\nRequiredRSASize 4096", DENIED, "id_rsa has 2048 bits"),
    Case("locked key", "IdentityFile {dir}/id_locked", DENIED, "id_locked stayed locked"),
    Case("locked old key", "IdentityFile {dir}/id_pem", DENIED, "id_pem stayed locked"),
    Case("unknown home", "IdentityFile ~nosuchuser/k", "nosuchuser", "IdentityFile: '~nosuchuser/k' names a user"),
    Case("public half", ONLY_NAMED + "IdentityFile {dir}/id_held.pub"),
    Case("public half alone", "IdentityFile {dir}/id_held.pub", DENIED, "id_held.pub is only the public half"),
    Case("only the named", ONLY_NAMED + "IdentityFile {dir}/id_other", DENIED, NOBODY),
    Case("the named first", "IdentityFile {dir}/id_held.pub\nIdentityAgent {dir}/agent"),
    Case(
        "too many keys",
        "IdentityFile {dir}/id_none\nIdentityAgent {dir}/agent",
        "Too many authentication failures",
        r"too many keys were offered \(.*extra0.*IdentitiesOnly yes",
    ),
    Case("own certificate", "IdentityFile {dir}/id_cert"),
    Case("certificate", "IdentityFile {dir}/id_bare\nCertificateFile {dir}/id_bare.crt"),
    Case(
        "certificate of a key in the agent",
        ONLY_NAMED + "CertificateFile {dir}/id_ca_agent.crt\nIdentityFile {dir}/id_ca_agent.pub",
    ),
    Case("not an option", "Nonsense yes", "(?i)bad configuration option: nonsense", "(?i)option: nonsense"),
    Case("unknown host", "UserKnownHostsFile {dir}/new", "Host key verification failed", "the key of 'far'.*not known"),
    Case("new name", "HostKeyAlias new\nStrictHostKeyChecking accept-new\nUserKnownHostsFile {dir}/new1"),
    Case("unchecked", "UserKnownHostsFile /dev/null\nStrictHostKeyChecking no"),
    Case("loopback", "UserKnownHostsFile {dir}/new2\nNoHostAuthenticationForLocalhost yes"),
    Case("command knows", "UserKnownHostsFile {dir}/new3\nKnownHostsCommand {dir}/knows %H %t"),
    Case("command fails", "KnownHostsCommand {dir}/fails", "KnownHostsCommand failed", "KnownHostsCommand: .* code 3"),
    Case("command is not there", "KnownHostsCommand {dir}/none %H"),
    Case("revoked", "RevokedHostKeys {dir}/revoked", "(?i)revoked", "marked as revoked"),
    Case("nothing revoked", "RevokedHostKeys {dir}/id_other.pub"),
    Case("revoked unread", "RevokedHostKeys {dir}/none", "(?i)revoked", "RevokedHostKeys: .* can't be read"),
    Case("authority", "UserKnownHostsFile {dir}/authority"),
    Case("other authority", "UserKnownHostsFile {dir}/stranger", UNVERIFIED, "the key of 'far'.*not known"),
    Case("other authority but a known key", "UserKnownHostsFile {dir}/both"),
    Case("other principal", "HostKeyAlias gpu\nUserKnownHostsFile {dir}/authority", UNVERIFIED, "'far'.*not known"),
    Case("revoked authority", "UserKnownHostsFile {dir}/revoked_ca", UNVERIFIED, "marked as revoked"),
    Case(
        "authority of another kind",
        "CASignatureAlgorithms rsa-sha2-512\nUserKnownHostsFile {dir}/authority",
        UNVERIFIED,
        "the key of 'far'.*not known",
    ),
    Case("address", "CheckHostIP yes"),
    Case("local address", "CheckHostIP yes\nHostName localhost\nAddressFamily inet\nUserKnownHostsFile {dir}/local"),
    Case("proxy", "ProxyCommand ssh -F none -W %h:%p nohost.invalid", "(?i)resolve.*nohost", "ProxyCommand of.*nohost"),
)


@dataclass(frozen=True)
class Place:
    folder: Path
    sshd: Sshd


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("openssh")
    ca = make_key(folder / "ca")
    sshd = Sshd(folder / "sshd", f"TrustedUserCAKeys {ca}.pub", f"HostCertificate {folder}/sshd/host_key-cert.pub")
    _make_keys(folder, sshd)
    for name in ("id_cert", "id_bare", "id_ca_agent"):
        _certify(folder, ca, make_key(folder / name))
    (folder / "id_bare-cert.pub").rename(folder / "id_bare.crt")
    (folder / "id_ca_agent-cert.pub").rename(folder / "id_ca_agent.crt")
    _make_host_keys(folder, sshd)
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", folder / "agent"], stdout=subprocess.DEVNULL)
    sshd.start()
    extras = [make_key(folder / f"extra{number}") for number in range(7)]
    add = ["ssh-add", "-q", *extras, folder / "id_held", folder / "id_ca_agent"]
    subprocess.run(add, env={**os.environ, "SSH_AUTH_SOCK": str(folder / "agent")}, check=True)
    (folder / "id_held").unlink()
    (folder / "id_ca_agent").unlink()
    yield Place(folder, sshd)
    sshd.stop()
    agent.terminate()
    agent.wait()


def _make_keys(folder: Path, sshd: Sshd) -> None:
    shutil.copy(sshd.key, folder / "id_user")
    shutil.copy(sshd.key, folder / "id_%far")
    shutil.copy(sshd.key, folder / "id_open")
    (folder / "id_open").chmod(0o644)
    make_key(folder / "id_other")
    shutil.copy(sshd.key, folder / "id_mismatch")
    shutil.copy(folder / "id_other.pub", folder / "id_mismatch.pub")
    shutil.copy(sshd.key, folder / "id_crlf")
    (folder / "id_crlf").write_bytes(sshd.key.read_bytes().replace(b"\n", b"\r\n"))
    rsa = ["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", ""]
    subprocess.run([*rsa, "-f", folder / "id_rsa"], check=True)
    make_key(folder / "id_locked", passphrase="secret words")
    pem = ["ssh-keygen", "-q", "-t", "ecdsa", "-m", "PEM", "-N", "secret words", "-f", folder / "id_pem"]
    subprocess.run(pem, check=True)
    make_key(folder / "id_held")
    publics = [f"{folder}/{name}.pub" for name in ("id_rsa", "id_locked", "id_pem", "id_held")]
    with sshd.authorized_keys.open("a") as file:
        file.writelines(Path(public).read_text() for public in publics)
    (folder / "id_pem.pub").unlink()


def _certify(folder: Path, ca: Path, key: Path) -> None:
    user = pwd.getpwuid(os.getuid()).pw_name
    subprocess.run(["ssh-keygen", "-q", "-s", ca, "-I", "test", "-n", user, f"{key}.pub"], check=True)


def _make_host_keys(folder: Path, sshd: Sshd) -> None:
    sign = ["ssh-keygen", "-q", "-s", folder / "ca", "-I", "test", "-h", "-n", "127.0.0.1"]
    subprocess.run([*sign, sshd.host_key.with_suffix(".pub")], check=True)
    authority = " ".join((folder / "ca.pub").read_text().split()[:2])
    stranger = " ".join((folder / "id_other.pub").read_text().split()[:2])
    (folder / "authority").write_text(f"@cert-authority * {authority}\n")
    (folder / "stranger").write_text(f"@cert-authority * {stranger}\n")
    (folder / "both").write_text(f"@cert-authority * {stranger}\n{sshd.known_hosts.read_text()}")
    (folder / "revoked_ca").write_text(f"@cert-authority * {authority}\n@revoked * {authority}\n")
    kind, data, *_ = sshd.host_key.with_suffix(".pub").read_text().split()
    (folder / "revoked").write_text(f"{kind} {data}\n")
    (folder / "local").write_text(f"[localhost]:{sshd.port} {kind} {data}\n[127.0.0.1]:{sshd.port} {stranger}\n")
    for name, script in (("knows", f'echo "$1 {kind} {data}"'), ("fails", "exit 3")):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o700)


def config_of(case: Case, place: Place) -> Path:
    lines = case.lines.format(dir=place.folder).splitlines()
    named = {line.split()[0] for line in lines}
    defaults = {
        "HostName": "127.0.0.1",
        "Port": place.sshd.port,
        "User": pwd.getpwuid(os.getuid()).pw_name,
        "IdentityFile": f"{place.folder}/id_user",
        "IdentityAgent": "none",
        "UserKnownHostsFile": place.sshd.known_hosts,
    }
    lines += [f"{name} {value}" for name, value in defaults.items() if name not in named]
    path = place.folder / "config"
    path.write_text("\n".join(["Host far", *lines, "GlobalKnownHostsFile /dev/null", ""]))
    return path


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_ssh_and_the_program_agree(case: Case, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOW_KEYS", str(place.folder))
    config = config_of(case, place)
    argv = ["ssh", "-F", str(config), "-o", "BatchMode=yes", "far", "echo hello"]
    ended = await asyncio.to_thread(subprocess.run, argv, capture_output=True, text=True, timeout=DEADLINE_S)
    assert (ended.returncode == 0) is (not case.ssh), ended.stderr
    assert re.search(case.ssh, ended.stderr), ended.stderr
    for path in place.folder.glob("new*"):
        path.unlink()  # what ssh has remembered, the program has not
    if not case.ssh:
        async with await SshHost.find("far", config=config) as host:
            assert (await host.run("echo hello")).stdout == b"hello\n"
        return
    with pytest.raises(FlowError) as refusal:
        async with await SshHost.find("far", config=config) as host:
            await host.run("true")
    assert re.search(case.ours, str(refusal.value)), refusal.value


@pytest.mark.skipif("lo" not in [name for _, name in socket.if_nameindex()], reason="no interface lo")
async def test_an_interface_is_bound_to(place: Place) -> None:
    async with await SshHost.find("far", config=config_of(Case("", "BindInterface lo"), place)) as host:
        assert (await host.run("echo hello")).stdout == b"hello\n"
    with pytest.raises(FlowError, match=r"'far'.*can't be reached: no such device"):
        await (await SshHost.find("far", config=config_of(Case("", "BindInterface no0"), place))).run("true")
