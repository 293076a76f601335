"""What goes wrong with SSH, as sentences."""

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
"""What the loss of a connection looks like to whoever was using it."""


_RESTRICTED_SHELL_TEXTS = (
    *("restricted", "rbash", "nologin", "not available", "not allowed", "not permitted", "forbidden", "denied"),
    *("disabled", "no shell", "sftp connections only", "interactive shell"),
)


def connect_error(settings: HostSettings, error: Exception, offered: list[str]) -> FlowError:
    """Why no connection came about; what concerns host keys is said elsewhere."""
    host = f"{settings.alias!r}"
    where = "" if settings.address == settings.alias else f" at {settings.address}"
    if isinstance(error, FlowError):
        return error
    if isinstance(error, socket.gaierror):
        if error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
            return NotFound(f"there is no host {host}{where}; name it in ~/.ssh/config or check the spelling")
        reason = (error.strerror or "no reason given").lower()
        return Unreachable(f"the name of {host}{where} could not be looked up ({reason}); check this machine's network")
    if isinstance(error, TimeoutError):
        return Unreachable(f"{host}{where} did not answer within {settings.connect_timeout_s:g} s")
    if isinstance(error, ConnectionRefusedError):
        return Unreachable(f"{host}{where} refused the connection; check that an SSH server runs on that port")
    if isinstance(error, asyncssh.ChannelOpenError):
        return Unreachable(f"the jump host could not reach {host}{where}: {error.reason!r}")
    if isinstance(error, asyncssh.DisconnectError) and "too many authentication failures" in error.reason.lower():
        return _too_many_keys(settings, offered)
    if isinstance(error, asyncssh.KeyExchangeFailed | asyncssh.ProtocolError | asyncssh.ProtocolNotSupported):
        return ProviderError(f"{host}{where} and this machine have no way of speaking in common: {error.reason!r}")
    if isinstance(error, OSError) and error.strerror:
        return Unreachable(f"{host}{where} can't be reached: {error.strerror.lower()}")
    return Unreachable(f"the connection to {host}{where} was lost while it was made; try again")


def negotiation_error(settings: HostSettings, what: str) -> ProviderError:
    return ProviderError(f"{settings.alias!r} at {settings.address} can't be spoken with: {what}")


def certificate_error(settings: HostSettings, error: asyncssh.HostKeyNotVerifiable) -> AuthError:
    """For hosts that show a certificate where known_hosts names an authority."""
    host = f"{settings.alias!r} at {settings.address}"
    if "revoked" in error.reason:
        return HostKeyChanged(f"{host} shows a key that is marked as revoked: don't connect; ask whoever runs it")
    return AuthError(f"{host} shows a certificate that is not to be trusted: {error.reason!r}; ask whoever runs it")


def connection_lost(settings: HostSettings, while_what: str) -> Unreachable:
    return Unreachable(f"the connection to {settings.alias!r} was lost while {while_what}")


def greeting_error(settings: HostSettings) -> ProviderError:
    return ProviderError(
        f"{settings.alias!r} at {settings.address} sends something else than an SSH server's greeting; check the port"
    )


def command_error(settings: HostSettings, exit_code: int, output: str) -> ProviderError:
    """Why a server that opened a session did not run the command."""
    host, lowered = f"{settings.alias!r}", output.lower()
    if any(text in lowered for text in _RESTRICTED_SHELL_TEXTS):
        why = f"the login shell of {settings.user!r} on {host} does not run commands"
        advice = "choose a user with a shell such as bash"
    elif is_full(lowered):
        why = f"there is no room on the disk of {host}"
        advice = "make room in the home there"
    else:
        why = f"{host} runs another command instead of what it is given"
        advice = "check ForceCommand in its sshd_config, command= in authorized_keys and the login shell"
    answer = f"it printed {output!r}" if output else "it printed nothing"
    return ProviderError(f"{why}: {answer} and ended with exit code {exit_code}; {advice}")


def proxy_error(settings: HostSettings, reason: str) -> Unreachable:
    return Unreachable(f"the ProxyCommand of {settings.alias!r} failed: {reason!r}")


def login_error(settings: HostSettings, identities: Identities, unanswered: list[str], methods: list[str]) -> AuthError:
    """`unanswered` are the kinds of answers that were asked for and nobody was there to give; `methods` the ways to log
    in that the host offers."""
    offered, locked = identities.offered, list(dict.fromkeys(identities.locked))
    keys = f"was shown {', '.join(offered)}" if offered else "was shown no key"
    text = f"{settings.alias!r} at {settings.address} let nobody in as {settings.user!r}: it {keys}"
    if locked:
        text += f"; {', '.join(locked)} stayed locked, since its passphrase is not known: add it with ssh-add"
    elif unanswered:
        text += (
            f" and wants a {' and a '.join(dict.fromkeys(unanswered))}, which only a person can give: connect from the"
            " dashboard, or set up a key"
        )
    elif identities.unusable:
        text += f"; {'; '.join(identities.unusable)}"
    else:
        text += "; name the right key with IdentityFile, or have one of these added to authorized_keys"
    return AuthError(text + _list_methods(methods) + _list_unused_options(settings))


def _too_many_keys(settings: HostSettings, offered: list[str]) -> AuthError:
    return AuthError(
        f"{settings.alias!r} at {settings.address} let nobody in as {settings.user!r}: too many keys were offered"
        f" ({', '.join(offered)}); name the right one with IdentityFile and set IdentitiesOnly yes"
    )


def _list_methods(methods: list[str]) -> str:
    """What ssh writes behind "Permission denied"."""
    return f" (the host offers {','.join(methods)})" if methods else ""


def _list_unused_options(settings: HostSettings) -> str:
    names = (*settings.unused_options, *settings.unknown_options)
    return f"; these options of the ssh config have no effect here: {', '.join(names)}" if names else ""
