"""The settings of a context of the cloud: the API, the account, and defaults of tasks."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flow_core.errors import AuthError, ConfigError
from flow_core.providers.over_ssh.login_timeout import parse_login_timeout

DEFAULT_URL = "https://api.mithril.ai"
_KEY = re.compile(r"[!-~]{1,512}")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class MithrilSettings:
    """The address of the API, a key that is never shown, and defaults.

    The defaults: a project by id or name, a region, SSH keys by id or name for new tasks, the private key to log in
    with, the instance type of tasks that name none, and the time limit of a login without a prompter.
    """

    api_key: str = field(repr=False)
    url: str = DEFAULT_URL
    project: str | None = None
    region: str | None = None
    ssh_keys: tuple[str, ...] = ()
    ssh_key_file: Path | None = None
    instance_type: str | None = None
    login_timeout_s: float | None = None

    @property
    def is_loopback(self) -> bool:
        return urlsplit(self.url).hostname in _LOOPBACK


ENVIRONMENT = {
    **{"api_key": "MITHRIL_API_KEY", "api_url": "MITHRIL_API_URL", "project": "MITHRIL_PROJECT"},
    **{"region": "MITHRIL_REGION", "ssh_keys": "MITHRIL_SSH_KEYS", "ssh_key": "MITHRIL_SSH_KEY"},
    "instance_type": "MITHRIL_DEFAULT_INSTANCE_TYPE",
}
"""The settings of a context, and the variable that replaces each if it is missing."""


def read_settings(context: Mapping[str, Any]) -> MithrilSettings:
    """Reads the settings of a context; missing ones come from the environment.

    Raises ConfigError, and AuthError without a key.
    """
    settings = _read_settings(context)
    if settings is None:
        raise AuthError("there is no key for the Mithril API; set MITHRIL_API_KEY, or api_key in the context")
    return settings


def read_environment_settings() -> MithrilSettings | None:
    """Reads the settings from the MITHRIL_ variables; None without a key. Raises ConfigError."""
    return _read_settings({})


def _read_settings(context: Mapping[str, Any]) -> MithrilSettings | None:
    values = {name: _read_text(context, name) for name in ENVIRONMENT if name != "ssh_keys"}
    key = values["api_key"]
    if not key:
        return None
    if not _KEY.fullmatch(key):
        raise ConfigError("MITHRIL_API_KEY holds characters that no key has; copy it again", field="MITHRIL_API_KEY")
    key_file = values["ssh_key"]
    return MithrilSettings(
        key,
        _check_url(values["api_url"] or DEFAULT_URL),
        values["project"] or None,
        values["region"] or None,
        _parse_names(context.get("ssh_keys") or os.environ.get(ENVIRONMENT["ssh_keys"], "")),
        Path(os.path.expanduser(key_file)) if key_file else None,
        values["instance_type"] or None,
        parse_login_timeout(context),
    )


def _read_text(context: Mapping[str, Any], name: str) -> str:
    value = context.get(name) or os.environ.get(ENVIRONMENT[name], "")
    if not isinstance(value, str) or not value.strip().isprintable():
        raise ConfigError(f"{ENVIRONMENT[name]} must be plain text", field=ENVIRONMENT[name])
    return value.strip()


def _parse_names(value: Any) -> tuple[str, ...]:
    """Parses a list, or names separated by commas."""
    words = value.split(",") if isinstance(value, str) else value
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise ConfigError("ssh_keys: must be a list of ids or names", field="ssh_keys")
    return tuple(word.strip() for word in words if word.strip())


def _check_url(url: str) -> str:
    """Checks the address and removes a slash at its end. Without https, only this machine is allowed."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if not host or not url.isprintable() or parts.username is not None or parts.query or parts.fragment:
        raise ConfigError(f"MITHRIL_API_URL must be an address such as {DEFAULT_URL}", field="MITHRIL_API_URL")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        raise ConfigError(
            "MITHRIL_API_URL must begin with https://, or others could read the key", field="MITHRIL_API_URL"
        )
    return url.rstrip("/")
