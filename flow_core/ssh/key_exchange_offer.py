"""Reads a server's key exchange offer from its first packet. asyncssh does not report it when the exchange fails."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from asyncssh.encryption import get_encryption_algs
from asyncssh.kex import get_kex_algs
from asyncssh.public_key import get_certificate_algs, get_public_key_algs

from flow_core.ssh.settings import HostSettings

_KEXINIT = 20
_COOKIE = 16
_MAX_PACKET_BYTES = 64 << 10
_MAX_OFFER_CHARS = 200
_VERSION = re.compile(rb"^SSH-[^\n]*\n", re.MULTILINE)
_IMPLIED = re.compile(r"^(ext-info-|kex-strict-)")


@dataclass(frozen=True, slots=True)
class KeyExchangeOffer:
    """The algorithms that a server allows, preferred ones first."""

    key_exchange: tuple[str, ...]
    host_keys: tuple[str, ...]
    ciphers: tuple[str, ...]


def read_offer(received: bytes) -> KeyExchangeOffer | None:
    """Returns the offer in the first bytes of a server; None while it is incomplete or if there is none."""
    if (version := _VERSION.search(received)) is None:
        return None
    size, packet = int.from_bytes(received[version.end() :][:4], "big"), received[version.end() + 4 :]
    if size > _MAX_PACKET_BYTES or len(packet) < size or packet[1:2] != bytes([_KEXINIT]):
        return None
    rest = packet[2 + _COOKIE : size]
    lists: list[tuple[str, ...]] = []
    for _ in range(3):
        end = 4 + int.from_bytes(rest[:4], "big")
        lists.append(tuple(rest[4:end].decode("ascii", "replace").split(",")))
        rest = rest[end:]
    return KeyExchangeOffer(*lists)


def find_mismatch(settings: HostSettings, offer: KeyExchangeOffer) -> str | None:
    """Returns which kind of algorithm has no common name, as part of a sentence; None if all match."""
    allowed = settings.algorithms
    host_keys = (*get_public_key_algs(), *get_certificate_algs())
    return (
        _describe_mismatch(
            "key exchange method", "KexAlgorithms", allowed.key_exchange, offer.key_exchange, get_kex_algs()
        )
        or _describe_mismatch("host key type", "HostKeyAlgorithms", allowed.host_keys, offer.host_keys, host_keys)
        or _describe_mismatch("cipher", "Ciphers", allowed.ciphers, offer.ciphers, get_encryption_algs())
    )


def _describe_mismatch(
    what: str, option: str, allowed: tuple[str, ...], offered: tuple[str, ...], known: Iterable[bytes]
) -> str | None:
    have = {name.decode() for name in known}
    if any(name in have and (not allowed or name in allowed) for name in offered):
        return None
    names = [name for name in offered if not _IMPLIED.match(name)]
    text = f"no matching {what}; the host offers {','.join(names)[:_MAX_OFFER_CHARS]!r}"
    usable = next((name for name in names if name in have), None)
    return f"{text}; to allow it set {option} +{usable}" if usable else f"{text}, none of which is supported here"
