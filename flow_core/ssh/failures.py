"""What goes wrong with SSH, as sentences."""

from __future__ import annotations

import socket

import asyncssh

from flow_core.errors import AuthError, FlowError, HostKeyChanged, NotFound, ProviderError, Unreachable
from flow_core.ssh.settings import HostSettings

LOST = (asyncssh.ConnectionLost, asyncssh.DisconnectError, BrokenPipeError, ConnectionError, EOFError)
"""What the loss of a connection looks like to whoever was using it."""


def not_connected(settings: HostSettings, error: Exception) -> FlowError:
    """Why no connection came about; what concerns keys is said elsewhere."""
    who = f"{settings.alias!r}"
    where = "" if settings.address == settings.alias else f" at {settings.address}"
    if isinstance(error, FlowError):
        return error
    if isinstance(error, socket.gaierror):
        if error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
            return NotFound(f"there is no host {who}{where}; name it in ~/.ssh/config or check the spelling")
        return Unreachable(f"the name of {who}{where} could not be looked up; check this machine's network")
    if isinstance(error, TimeoutError):
        return Unreachable(f"{who}{where} did not answer within {settings.connect_timeout_s:g} s")
    if isinstance(error, ConnectionRefusedError):
        return Unreachable(f"{who}{where} refused the connection; check that an SSH server runs on that port")
    if isinstance(error, asyncssh.ChannelOpenError):
        return Unreachable(f"the jump host could not reach {who}{where}: {error.reason!r}")
    if isinstance(error, asyncssh.KeyExchangeFailed | asyncssh.ProtocolError | asyncssh.ProtocolNotSupported):
        return ProviderError(f"{who}{where} and this machine have no way of speaking in common: {error.reason!r}")
    if isinstance(error, OSError) and error.strerror:
        return Unreachable(f"{who}{where} can't be reached: {error.strerror.lower()}")
    return Unreachable(f"the connection to {who}{where} was lost while it was made; try again")


def no_certificate(settings: HostSettings, error: asyncssh.HostKeyNotVerifiable) -> AuthError:
    """For hosts that show a certificate where known_hosts names an authority."""
    who = f"{settings.alias!r} at {settings.address}"
    if "revoked" in error.reason:
        return HostKeyChanged(f"{who} shows a key that is marked as revoked: don't connect; ask whoever runs it")
    return AuthError(f"{who} shows a certificate that is not to be trusted: {error.reason!r}; ask whoever runs it")


def lost(settings: HostSettings, while_what: str) -> Unreachable:
    return Unreachable(f"the connection to {settings.alias!r} was lost while {while_what}")


def refused(settings: HostSettings, tried: list[str], locked: list[str], missing: list[str]) -> AuthError:
    """`missing` are the kinds of answers that were asked for and nobody was there to give."""
    keys = f"was shown {', '.join(tried)}" if tried else "was shown no key"
    text = f"{settings.alias!r} at {settings.address} let nobody in as {settings.user!r}: it {keys}"
    if locked:
        names = ", ".join(dict.fromkeys(locked))
        return AuthError(f"{text}; {names} stayed locked, since its passphrase is not known: add it with ssh-add")
    if missing:
        return AuthError(
            f"{text} and wants a {' and a '.join(dict.fromkeys(missing))}, which only a person can give: connect from"
            " the dashboard, or set up a key"
        )
    return AuthError(f"{text}; name the right key with IdentityFile, or have one of these added to authorized_keys")
