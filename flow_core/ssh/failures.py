"""Converts SSH failures to errors with sentences for the user."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import asyncssh

from flow_core.errors import AuthError, FlowError, HostKeyChanged, NotFound, ProviderError, Unreachable
from flow_core.ssh.full_disk import is_full
from flow_core.ssh.settings import HostSettings

if TYPE_CHECKING:
    from flow_core.ssh.identities import Identities

CONNECTION_ERRORS = (asyncssh.ConnectionLost, asyncssh.DisconnectError, BrokenPipeError, ConnectionError, EOFError)
"""The exceptions that a user of a connection gets when it is lost."""


_RESTRICTED_SHELL_TEXTS = (
    *("restricted", "rbash", "nologin", "not available", "not allowed", "not permitted", "forbidden", "denied"),
    *("disabled", "no shell", "sftp connections only", "interactive shell"),
)


def connect_error(settings: HostSettings, error: Exception, offered: list[str]) -> FlowError:
    """Returns the error for a connection that failed, except for host key errors."""
    host = f"{settings.alias!r}"
    at_address = "" if settings.address == settings.alias else f" at {settings.address}"
    if isinstance(error, FlowError):
        return error
    if isinstance(error, socket.gaierror):
        if error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
            return NotFound(f"there is no host {host}{at_address}; name it in ~/.ssh/config or check the spelling")
        reason = (error.strerror or "no reason given").lower()
        return Unreachable(
            f"the name of {host}{at_address} could not be looked up ({reason}); check this machine's network"
        )
    if isinstance(error, TimeoutError):
        return Unreachable(f"{host}{at_address} did not answer within {settings.connect_timeout_s:g} s")
    if isinstance(error, ConnectionRefusedError):
        return Unreachable(f"{host}{at_address} refused the connection; check that an SSH server runs on that port")
    if isinstance(error, asyncssh.ChannelOpenError):
        return Unreachable(f"the jump host could not reach {host}{at_address}: {error.reason!r}")
    if isinstance(error, asyncssh.DisconnectError) and "too many authentication failures" in error.reason.lower():
        return _too_many_keys(settings, offered)
    if isinstance(error, asyncssh.KeyExchangeFailed | asyncssh.ProtocolError | asyncssh.ProtocolNotSupported):
        return ProviderError(
            f"{host}{at_address} and this machine share no protocol version or algorithm: {error.reason!r}"
        )
    if isinstance(error, OSError) and error.strerror:
        return Unreachable(f"{host}{at_address} can't be reached: {error.strerror.lower()}")
    return Unreachable(f"the connection to {host}{at_address} was lost while it was made; try again")


def negotiation_error(settings: HostSettings, what: str) -> ProviderError:
    return ProviderError(f"can't connect to {settings.alias!r} at {settings.address}: {what}")


def certificate_error(settings: HostSettings, error: asyncssh.HostKeyNotVerifiable) -> AuthError:
    """Returns the error for a host certificate that can't be trusted, or for a revoked host key or authority."""
    host = f"{settings.alias!r} at {settings.address}"
    if "revoked" in error.reason:
        return HostKeyChanged(f"{host} shows a key that is marked as revoked: don't connect; ask its administrator")
    return AuthError(f"{host} shows a certificate that can't be trusted: {error.reason!r}; ask its administrator")


def connection_lost_error(settings: HostSettings, while_what: str) -> Unreachable:
    return Unreachable(f"the connection to {settings.alias!r} was lost while {while_what}")


def greeting_error(settings: HostSettings) -> ProviderError:
    return ProviderError(f"{settings.alias!r} at {settings.address} did not answer as an SSH server; check the port")


def command_error(settings: HostSettings, exit_code: int, output: str) -> ProviderError:
    """Returns the error for a server that opened a session and did not run our sh."""
    host, lowered = f"{settings.alias!r}", output.lower()
    if any(text in lowered for text in _RESTRICTED_SHELL_TEXTS):
        reason = f"the login shell of {settings.user!r} on {host} does not run commands"
        advice = "choose a user with a shell such as bash"
    elif is_full(lowered):
        reason = f"there is no room on the disk of {host}"
        advice = "make room in the home there"
    else:
        reason = f"{host} runs another command instead of the given one"
        advice = "check ForceCommand in its sshd_config, command= in authorized_keys and the login shell"
    answer = f"it printed {output!r}" if output else "it printed nothing"
    return ProviderError(f"{reason}: {answer} and ended with exit code {exit_code}; {advice}")


def proxy_error(settings: HostSettings, reason: str) -> Unreachable:
    return Unreachable(f"the ProxyCommand of {settings.alias!r} failed: {reason!r}")


def login_error(settings: HostSettings, identities: Identities, unanswered: list[str], methods: list[str]) -> AuthError:
    """Returns the error for a refused login.

    `unanswered` are the kinds of prompts that came without a prompter. `methods` are the login methods that the host
    offers.
    """
    offered, locked = identities.offered, list(dict.fromkeys(identities.locked))
    keys = f"was shown {', '.join(offered)}" if offered else "was shown no key"
    text = f"{settings.alias!r} at {settings.address} refused the login as {settings.user!r}: it {keys}"
    if locked:
        text += f"; {', '.join(locked)} stayed locked, since its passphrase is not known: add it with ssh-add"
    elif unanswered:
        text += (
            f" and asks for a {' and a '.join(dict.fromkeys(unanswered))}: connect from the dashboard to enter it, or"
            " set up a key"
        )
    elif identities.unusable:
        text += f"; {'; '.join(identities.unusable)}"
    else:
        text += "; name the right key with IdentityFile, or have one of these added to authorized_keys"
    return AuthError(text + _list_methods(methods) + _list_unused_options(settings))


def _too_many_keys(settings: HostSettings, offered: list[str]) -> AuthError:
    return AuthError(
        f"{settings.alias!r} at {settings.address} refused the login as {settings.user!r}: too many keys were offered"
        f" ({', '.join(offered)}); name the right one with IdentityFile and set IdentitiesOnly yes"
    )


def _list_methods(methods: list[str]) -> str:
    """Returns the methods in the form that ssh prints after "Permission denied"."""
    return f" (the host offers {','.join(methods)})" if methods else ""


def _list_unused_options(settings: HostSettings) -> str:
    names = (*settings.unused_options, *settings.unknown_options)
    return f"; these options of the ssh config have no effect here: {', '.join(names)}" if names else ""
