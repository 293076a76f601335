"""Every option of ssh_config(5) and how the program treats it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Treatment(StrEnum):
    """The treatment of an option by the program. The values are words of the table in docs/ssh.md."""

    HONOURED = "honoured"
    PASSED_ON = "passed on"
    NAMED = "named when a login fails"
    REFUSED = "refused"
    NO_MEANING = "without meaning here"


@dataclass(frozen=True, slots=True)
class Option:
    """One option. `note` completes its row in docs/ssh.md. `unset` are the values that mean that it is not set."""

    name: str
    treatment: Treatment
    note: str = ""
    unset: tuple[str, ...] = ()


_HONOURED = {
    "AddKeysToAgent": "only `yes`: with `ask`, `confirm` or a lifetime no key is added",
    "AddressFamily": "",
    "BatchMode": "",
    "BindAddress": "",
    "BindInterface": "IPv4 only",
    "CanonicalDomains": "by `ssh -G`",
    "CanonicalizeFallbackLocal": "by `ssh -G`",
    "CanonicalizeHostname": "by `ssh -G`",
    "CanonicalizeMaxDots": "by `ssh -G`",
    "CanonicalizePermittedCNAMEs": "by `ssh -G`",
    "CertificateFile": "",
    "CASignatureAlgorithms": "by the type of the authority's key",
    "CheckHostIP": "",
    "ConnectionAttempts": "",
    "ConnectTimeout": "20 s where it is not set",
    "ForwardAgent": "",
    "ForwardX11": "in shells",
    "GlobalKnownHostsFile": "",
    "HashKnownHosts": "",
    "Host": "by `ssh -G`",
    "HostKeyAlias": "",
    "Hostname": "by `ssh -G`",
    "IdentitiesOnly": "",
    "IdentityAgent": "",
    "IdentityFile": "",
    "IgnoreUnknown": "by `ssh -G`",
    "Include": "by `ssh -G`",
    "KbdInteractiveAuthentication": "",
    "KbdInteractiveDevices": "",
    "KnownHostsCommand": "",
    "Match": "by `ssh -G`",
    "NoHostAuthenticationForLocalhost": "",
    "NumberOfPasswordPrompts": "",
    "PasswordAuthentication": "",
    "Port": "",
    "PreferredAuthentications": "",
    "ProxyCommand": "",
    "ProxyJump": "",
    "ProxyUseFdpass": "",
    "PubkeyAuthentication": "",
    "RemoteCommand": "in shells on the host itself; a command or a task runs without it",
    "RequiredRSASize": "",
    "RevokedHostKeys": "a list of keys; a KRL (binary) is refused",
    "SendEnv": "",
    "ServerAliveCountMax": "",
    "ServerAliveInterval": "5 s where it is not set",
    "SetEnv": "",
    "StrictHostKeyChecking": "except that `no` never accepts a changed key",
    "Tag": "by `ssh -G`",
    "TCPKeepAlive": "",
    "User": "",
    "UserKnownHostsFile": "",
}
_ALGORITHMS = "those that asyncssh has too; where it has none of them, the connection is refused"
_PASSED_ON = {
    "Ciphers": _ALGORITHMS,
    "Compression": "",
    "HostKeyAlgorithms": _ALGORITHMS,
    "KexAlgorithms": _ALGORITHMS,
    "MACs": _ALGORITHMS,
    "PubkeyAcceptedAlgorithms": _ALGORITHMS,
    "RekeyLimit": "",
}
_NAMED = {
    "GSSAPIAuthentication": ("", ("no", "false")),
    "HostbasedAuthentication": ("", ("no", "false")),
    "PKCS11Provider": ("works through an agent", ("none",)),
    "SecurityKeyProvider": ("works through an agent", ("internal", "none")),
    "UseKeychain": ("works through an agent", ("no", "false")),
    "VerifyHostKeyDNS": ("an unknown key prompts as without it", ("no", "false")),
}
_REFUSED = {"RefuseConnection": "as `ssh` refuses it"}
_SHARED = "connections are shared without it"
_FORWARDS = "the program opens its own tunnels"
_GSSAPI = "GSSAPI is not used"
_OUTPUT = "concerns what `ssh` itself prints"
_NO_MEANING = {
    "ChannelTimeout": "the program closes what it doesn't use",
    "ClearAllForwardings": _FORWARDS,
    "ControlMaster": _SHARED,
    "ControlPath": _SHARED,
    "ControlPersist": _SHARED,
    "DynamicForward": _FORWARDS,
    "EnableEscapeCommandline": "the terminal has keys of its own",
    "EnableSSHKeysign": "host-based authentication is not used",
    "EscapeChar": "the terminal has keys of its own",
    "ExitOnForwardFailure": _FORWARDS,
    "FingerprintHash": "fingerprints are shown as SHA256",
    "ForkAfterAuthentication": "the program manages its sessions",
    "ForwardX11Timeout": "as ForwardX11Trusted",
    "ForwardX11Trusted": "X11 is forwarded as trusted",
    "GatewayPorts": _FORWARDS,
    "GSSAPIClientIdentity": _GSSAPI,
    "GSSAPIDelegateCredentials": _GSSAPI,
    "GSSAPIKexAlgorithms": _GSSAPI,
    "GSSAPIKeyExchange": _GSSAPI,
    "GSSAPIRenewalForcesRekey": _GSSAPI,
    "GSSAPIServerIdentity": _GSSAPI,
    "GSSAPITrustDns": _GSSAPI,
    "HostbasedAcceptedAlgorithms": "host-based authentication is not used",
    "IPQoS": "packets are not marked",
    "LocalCommand": "nothing is run on this machine after a login",
    "LocalForward": _FORWARDS,
    "LogLevel": _OUTPUT,
    "LogVerbose": _OUTPUT,
    "ObscureKeystrokeTiming": "keystrokes are sent as typed",
    "PermitLocalCommand": "nothing is run on this machine after a login",
    "PermitRemoteOpen": _FORWARDS,
    "RemoteForward": _FORWARDS,
    "RequestTTY": "a shell has a terminal, a command has none",
    "SessionType": "the program manages its sessions",
    "StdinNull": "the program manages its sessions",
    "StreamLocalBindMask": _FORWARDS,
    "StreamLocalBindUnlink": _FORWARDS,
    "SyslogFacility": _OUTPUT,
    "Tunnel": "no network device is created",
    "TunnelDevice": "no network device is created",
    "UpdateHostKeys": "known_hosts gets only the key that was shown",
    "VersionAddendum": "",
    "VisualHostKey": _OUTPUT,
    "WarnWeakCrypto": _OUTPUT,
    "XAuthLocation": "asyncssh reads the file of xauth itself",
}


def _table() -> dict[str, Option]:
    options = [Option(name, Treatment.HONOURED, note) for name, note in _HONOURED.items()]
    options += [Option(name, Treatment.PASSED_ON, note) for name, note in _PASSED_ON.items()]
    options += [Option(name, Treatment.NAMED, note, unset) for name, (note, unset) in _NAMED.items()]
    options += [Option(name, Treatment.REFUSED, note) for name, note in _REFUSED.items()]
    options += [Option(name, Treatment.NO_MEANING, note) for name, note in _NO_MEANING.items()]
    return {option.name.lower(): option for option in sorted(options, key=lambda option: option.name.lower())}


OPTIONS: Mapping[str, Option] = _table()
"""The options by lower-case name, in alphabetical order."""


def find_unknown_options(names: Iterable[str]) -> tuple[str, ...]:
    """Returns the options that a newer ssh prints and this table lacks.

    They are skipped, and listed when a login fails.
    """
    return tuple(name for name in names if name and name not in OPTIONS)


def find_unused_options(found: Mapping[str, list[str]]) -> tuple[str, ...]:
    """Returns the options that the config sets, that may decide about a login, and that have no effect here."""
    return tuple(
        option.name
        for name, option in OPTIONS.items()
        if option.treatment is Treatment.NAMED and name in found and found[name][0].lower() not in option.unset
    )
