"""Parses the output of `ssh -G` to HostSettings."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import socket
from collections.abc import Mapping
from pathlib import Path

from flow_core.errors import ConfigError
from flow_core.ssh.settings import (
    AUTH_METHODS,
    KEEPALIVE_COUNT,
    KEEPALIVE_S,
    AddressFamily,
    Algorithms,
    HostSettings,
    Jump,
    Strictness,
    get_account_home,
    get_home,
    get_user_name,
    parse_jumps,
)
from flow_core.ssh.ssh_config_options import find_unknown_options, find_unused_options

SshOptions = Mapping[str, list[str]]

_STRICTNESS: dict[str, Strictness] = {
    "ask": "ask",
    "true": "yes",
    "yes": "yes",
    "accept-new": "accept-new",
    # `no` would also accept a changed key; flow never does.
    "false": "accept-new",
    "no": "accept-new",
    "off": "accept-new",
}
_FAMILIES: dict[str, AddressFamily] = {"inet": "inet", "inet6": "inet6"}
_TOKEN = re.compile(r"%(.)|\$\{([^}]*)\}")
_COMMAND_DEFAULTS = {
    "RemoteCommand": "none",
    "SessionType": "default",
    "StdinNull": "no",
    "ForkAfterAuthentication": "no",
}
_METHOD_OPTIONS = {
    "publickey": "pubkeyauthentication",
    "keyboard-interactive": "kbdinteractiveauthentication",
    "password": "passwordauthentication",
}


def read_options(text: str) -> dict[str, list[str]]:
    """Returns the values by lower-case option name."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        found.setdefault(name.lower(), []).append(value.strip())
    return found


def parse_settings(found: SshOptions, alias: str, defaults: SshOptions) -> tuple[HostSettings, tuple[Jump, ...]]:
    """Parses the output of `ssh -G alias`. Returns the settings and the jump hosts, which the caller must look up.

    `defaults` is the output of ssh without any config. Raises ConfigError.
    """

    def first(name: str, default: str = "") -> str:
        return found.get(name, [default])[0]

    if refusal := first("refuseconnection"):
        raise ConfigError(f"the ssh config refuses {alias!r}: {refusal!r}", field="RefuseConnection")
    hostname, user = first("hostname", alias), first("user") or get_user_name()
    port = _parse_number(first("port"), 22)
    tokens = _tokens(alias, hostname, port, user, first("hostkeyalias"), first("proxyjump"))
    proxy_command = first("proxycommand", "none")
    rekey_bytes, _, rekey_s = first("rekeylimit", "0 0").partition(" ")
    settings = HostSettings(
        alias=alias,
        hostname=hostname,
        user=user,
        port=port,
        identity_files=_expand_paths("IdentityFile", found.get("identityfile", []), tokens),
        certificate_files=_expand_paths("CertificateFile", found.get("certificatefile", []), tokens),
        identities_only=_is_yes(first("identitiesonly")),
        agent=_agent_socket(first("identityagent", "SSH_AUTH_SOCK"), tokens),
        known_hosts=_split_files(first("userknownhostsfile"), tokens),
        global_known_hosts=_split_files(first("globalknownhostsfile"), tokens),
        host_key_alias=first("hostkeyalias") or None,
        hashes_names=_is_yes(first("hashknownhosts")),
        strictness=_STRICTNESS.get(first("stricthostkeychecking").lower(), "ask"),
        is_unchecked=first("stricthostkeychecking").lower() in ("no", "false", "off"),
        is_batch=_is_yes(first("batchmode")),
        password_prompts=_parse_number(first("numberofpasswordprompts"), 3),
        proxy_command=None if proxy_command.lower() == "none" else _expand("ProxyCommand", proxy_command, tokens, None),
        keepalive_s=float(_parse_number(first("serveraliveinterval"), 0) or KEEPALIVE_S),
        keepalive_count=_parse_number(first("serveralivecountmax"), KEEPALIVE_COUNT),
        connect_timeout_s=float(_parse_number(first("connecttimeout"), 20)),
        connection_attempts=_parse_number(first("connectionattempts"), 1),
        address_family=_FAMILIES.get(first("addressfamily"), "any"),
        bind_address=first("bindaddress") or None,
        bind_interface=first("bindinterface") or None,
        tcp_keepalive=first("tcpkeepalive", "yes") not in ("no", "false"),
        proxy_passes_socket=_is_yes(first("proxyusefdpass")),
        is_compressed=_is_yes(first("compression")),
        rekey_bytes=_parse_number(rekey_bytes, 0) or None,
        rekey_s=_parse_number(rekey_s, 0) or None,
        auth_methods=_auth_methods(found),
        kbdint_devices=first("kbdinteractivedevices"),
        algorithms=_algorithms(found, defaults),
        required_rsa_bits=_parse_number(first("requiredrsasize"), 1024),
        revoked_host_keys=next(iter(_expand_paths("RevokedHostKeys", found.get("revokedhostkeys", []), tokens)), None),
        known_hosts_command=_split_command(first("knownhostscommand", "none"), tokens),
        checks_address=_is_yes(first("checkhostip")),
        trusts_loopback=_is_yes(first("nohostauthenticationforlocalhost")),
        adds_keys_to_agent=_is_yes(first("addkeystoagent")),
        agent_to_forward=_forwarded_agent(first("forwardagent", "no"), first("identityagent", "SSH_AUTH_SOCK"), tokens),
        forwards_x11=_is_yes(first("forwardx11")),
        set_env=tuple(_split_variable(value) for value in found.get("setenv", []) if "=" in value),
        send_env=tuple(found.get("sendenv", [])),
        remote_command=_parse_command(first("remotecommand", "none")),
        command_options=_command_options(found),
        unused_options=find_unused_options(found),
        unknown_options=find_unknown_options(found),
    )
    return settings, parse_jumps(first("proxyjump", "none"))


def _auth_methods(found: SshOptions) -> tuple[str, ...]:
    """Returns the enabled methods that this program supports, in the order of PreferredAuthentications."""
    preferred = found.get("preferredauthentications", [",".join(AUTH_METHODS)])[0].split(",")
    enabled = [
        name for name in AUTH_METHODS if found.get(_METHOD_OPTIONS[name], ["yes"])[0].lower() not in ("no", "false")
    ]
    return tuple(name for name in dict.fromkeys(preferred) if name in enabled)


def _algorithms(found: SshOptions, defaults: SshOptions) -> Algorithms:
    def names(option: str) -> tuple[str, ...]:
        return tuple(filter(None, found.get(option, [""])[0].split(",")))

    # The default list is ordered by measured speed; a list that the user has set keeps its order.
    has_default_ciphers = "ciphers" in defaults and found.get("ciphers") == defaults["ciphers"]
    return Algorithms(
        ciphers=() if has_default_ciphers else names("ciphers"),
        macs=names("macs"),
        key_exchange=names("kexalgorithms"),
        host_keys=names("hostkeyalgorithms"),
        user_keys=names("pubkeyacceptedalgorithms") or names("pubkeyacceptedkeytypes"),
        authorities=names("casignaturealgorithms"),
    )


def _tokens(alias: str, hostname: str, port: int, user: str, key_alias: str, jumps: str) -> dict[str, str]:
    local = socket.gethostname()
    jump = "" if jumps.lower() == "none" else jumps
    digest = hashlib.sha1(f"{local}{hostname}{port}{user}{jump}".encode(), usedforsecurity=False).hexdigest()
    return {
        "%": "%",
        "C": digest,
        "d": str(get_home()),
        "h": hostname,
        "i": str(os.getuid()),
        "j": jump,
        "k": key_alias or alias,
        "L": local.partition(".")[0],
        "l": local,
        "n": alias,
        "p": str(port),
        "r": user,
        "u": get_user_name(),
    }


def _expand(option: str, text: str, tokens: Mapping[str, str], variables: Mapping[str, str] | None = os.environ) -> str:
    """Replaces %tokens and ${VARIABLES}; keeps the variables if `variables` is None.

    Raises ConfigError for an unknown token or variable, as ssh does.
    """

    def value(found: re.Match[str]) -> str:
        if found[1] is not None:
            known, what = tokens.get(found[1]), f"value for %{found[1]}"
        elif variables is not None:
            known, what = variables.get(found[2]), f"variable {found[2]} in the environment"
        else:
            return found[0]
        if known is None:
            raise ConfigError(f"{option}: there is no {what}, which {text!r} needs", field=option)
        return known

    return _TOKEN.sub(value, text)


def expand_home(text: str, option: str) -> Path:
    """Returns a path with ~ or ~user replaced. Raises ConfigError if there is no such user."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{option}: {text!r} names a user that this machine does not have", field=option) from error


def _split_command(text: str, tokens: Mapping[str, str]) -> tuple[str, ...]:
    """Returns the words of KnownHostsCommand. Keeps the tokens of the host key, which is not known yet."""
    if text.lower() == "none":
        return ()
    host_key_tokens = {name: f"%{name}" for name in "fHIKt"}
    known, variables = ({name: text.replace("%", "%%") for name, text in each.items()} for each in (tokens, os.environ))
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ConfigError(f"KnownHostsCommand: {text!r} has an open quote", field="KnownHostsCommand") from error
    return tuple(_expand("KnownHostsCommand", word, known | host_key_tokens, variables) for word in words)


def _expand_paths(option: str, values: list[str], tokens: Mapping[str, str]) -> tuple[Path, ...]:
    texts = [_unquote(value) for value in values if value.lower() != "none"]
    return tuple(dict.fromkeys(expand_home(_expand(option, text, tokens), option) for text in texts if text))


def _split_files(value: str, tokens: Mapping[str, str]) -> tuple[Path, ...]:
    """Splits file names in one line. ssh does not mark whether a space separates two names or belongs to one."""
    words: list[str] = []
    for word in value.split():
        if words and not word.startswith(("/", "~", '"', "%")):
            words[-1] += f" {word}"
        else:
            words.append(word)
    paths = _expand_paths("UserKnownHostsFile", words, tokens)
    return tuple(_move_to_home(path) for path in paths if str(path) != "/dev/null")


def _move_to_home(path: Path) -> Path:
    """Moves a path below the account's ~/.ssh to $HOME. ssh uses the password database; flow obeys $HOME."""
    real = get_account_home()
    return get_home() / ".ssh" / path.name if path.parent == real / ".ssh" else path


def _agent_socket(value: str, tokens: Mapping[str, str]) -> Path | None:
    if value.lower() == "none":
        return None
    if value == "SSH_AUTH_SOCK" or (value.startswith("$") and "/" not in value):
        value = os.environ.get(value.lstrip("$").strip("{}"), "")
    return next(iter(_expand_paths("IdentityAgent", [value], tokens)), None)


def _forwarded_agent(value: str, agent: str, tokens: Mapping[str, str]) -> Path | None:
    if value.lower() in ("no", "false"):
        return None
    return _agent_socket(agent if value.lower() in ("yes", "true") else value, tokens)


def _split_variable(value: str) -> tuple[str, str]:
    name, _, text = value.partition("=")
    return name, text


def _parse_command(value: str) -> str | None:
    """Returns the command; ssh has expanded its tokens already."""
    return None if value.lower() in ("", "none") else value


def _command_options(found: SshOptions) -> tuple[str, ...]:
    return tuple(
        f"{option}={neutral}"
        for option, neutral in _COMMAND_DEFAULTS.items()
        if found.get(option.lower(), [neutral])[0].lower() not in (neutral, "false")
    )


def _unquote(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def _is_yes(value: str) -> bool:
    return value.lower() in ("yes", "true")


def _parse_number(value: str, default: int) -> int:
    return int(value) if value.isdecimal() and value.isascii() and 0 < int(value) < 1 << 62 else default
