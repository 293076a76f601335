"""Converts HostSettings to the options of asyncssh."""

from __future__ import annotations

import os
from collections.abc import Iterable
from fnmatch import fnmatchcase

import asyncssh
from asyncssh.encryption import get_encryption_algs
from asyncssh.kex import get_kex_algs
from asyncssh.mac import get_mac_algs
from asyncssh.public_key import (
    get_certificate_algs,
    get_default_certificate_algs,
    get_default_public_key_algs,
    get_public_key_algs,
)

from flow_core.errors import ConfigError
from flow_core.ssh.host_keys import is_too_small
from flow_core.ssh.known_hosts import KnownKeys
from flow_core.ssh.settings import HostSettings

# Ordered by measured speed; asyncssh appends its other ciphers.
_CIPHERS = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com"
_CERTIFICATE = "-cert-v01@openssh.com"
_NOTHING = ("none",)


def connect_options(
    settings: HostSettings, known: KnownKeys, client: asyncssh.SSHClient
) -> asyncssh.SSHClientConnectionOptions:
    """Returns the connection options. Sets every option: asyncssh reads its own files for options that are missing.

    Raises ConfigError.
    """
    allowed = settings.algorithms
    return asyncssh.SSHClientConnectionOptions(
        config=None,
        client_factory=lambda: client,
        # asyncssh gets revoked keys only for certificates: for plain keys it would not report which key was revoked.
        known_hosts=(
            [key for key in known.trusted if not is_too_small(settings, key)],
            [key for key in known.authorities if key not in known.revoked],
            known.revoked if known.authorities else [],
        ),
        host_key_alias=settings.host_key_alias,
        x509_trusted_certs=None,
        x509_trusted_cert_paths=(),
        username=settings.user,
        client_keys=None,
        client_host_keysign=False,
        agent_path=None,
        agent_forwarding=str(settings.agent_to_forward or "") or False,
        gss_host=None,
        pkcs11_provider=None,
        preferred_auth=settings.auth_methods or _NOTHING,
        login_timeout=0,
        connect_timeout=None,
        tcp_keepalive=settings.tcp_keepalive,
        keepalive_interval=settings.keepalive_s,
        keepalive_count_max=settings.keepalive_count,
        kex_algs=_select_supported("KexAlgorithms", allowed.key_exchange, get_kex_algs()) or (),
        encryption_algs=_select_supported("Ciphers", allowed.ciphers, get_encryption_algs()) or _CIPHERS,
        mac_algs=_select_supported("MACs", allowed.macs, get_mac_algs()) or (),
        signature_algs=_signature_algorithms(allowed.user_keys),
        server_host_key_algs=_host_key_algorithms(allowed.host_keys, known),
        compression_algs=["zlib@openssh.com", "none"] if settings.is_compressed else ["none"],
        rekey_bytes=settings.rekey_bytes or (),
        rekey_seconds=settings.rekey_s or (),
        env=_environment(settings),
        send_env=None,
        command=None,
        request_pty=False,
        x11_forwarding=False,
    )


def _environment(settings: HostSettings) -> dict[bytes, bytes]:
    """Returns the variables of SendEnv and SetEnv. SetEnv overrides SendEnv."""
    sent = [name for name in os.environ if any(fnmatchcase(name, pattern) for pattern in settings.send_env)]
    variables = {name: os.environ[name] for name in sent} | dict(settings.set_env)
    return {os.fsencode(name): os.fsencode(value) for name, value in variables.items()}


def _select_supported(option: str, names: tuple[str, ...], known: Iterable[bytes]) -> list[str]:
    """Returns the allowed names that asyncssh supports, in order; empty if all are allowed. Raises ConfigError."""
    have = {name.decode() for name in known}
    found = [name for name in names if name in have]
    if names and not found:
        raise ConfigError(f"{option}: none of {', '.join(names)!r} is supported here; allow one more", field=option)
    return found


def _signature_algorithms(names: tuple[str, ...]) -> list[str] | tuple[()]:
    """Returns the algorithms for signing. A certificate is signed with the algorithm of its plain key."""
    plain = dict.fromkeys(_plain_algorithm(name) for name in names)
    return _select_supported("PubkeyAcceptedAlgorithms", tuple(plain), get_public_key_algs()) or ()


def _plain_algorithm(name: str) -> str:
    if not name.endswith(_CERTIFICATE):
        return name
    name = name.removesuffix(_CERTIFICATE)
    return f"{name}@openssh.com" if name.startswith("sk-") else name


def _host_key_algorithms(names: tuple[str, ...], known: KnownKeys) -> list[str]:
    """Returns host key algorithms: first those of the known keys, so that the host shows one of them, then all others.

    The others are needed to detect a host that has only keys of other types.
    """
    kinds = [kind for key in (*known.keys, *known.default_port_keys) for kind in key.sig_algorithms]
    certificates = get_default_certificate_algs() if known.authorities else []
    algorithms = [kind.decode() for kind in (*certificates, *kinds, *get_default_public_key_algs())]
    if names:
        have = (*get_public_key_algs(), *(get_certificate_algs() if known.authorities else ()))
        allowed = _select_supported("HostKeyAlgorithms", names, have)
        algorithms = [*(name for name in algorithms if name in allowed), *allowed]
    return list(dict.fromkeys(algorithms))
