"""How to reach the Mithril API, and as whom."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flow_core.errors import AuthError, ConfigError
from flow_core.providers.over_ssh.login_limit import login_timeout_of

DEFAULT_URL = "https://api.mithril.ai"
_KEY = re.compile(r"[!-~]{1,512}")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class MithrilSettings:
    """An address, a key that is never shown, and what was chosen: a project by id or name, a region, SSH keys by id
    or name for new tasks, the private key to log in with, the instance type of tasks that name none, and how long a
    login may take without a person."""

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
"""Settings of a context, and the variable that stands in for each."""


def settings_of(context: Mapping[str, Any]) -> MithrilSettings:
    """Those of a context; what it doesn't say, the environment does. Raises ConfigError, AuthError without a key."""
    settings = _settings(context)
    if settings is None:
        raise AuthError("there is no key for the Mithril API; set MITHRIL_API_KEY, or api_key in the context")
    return settings


def settings_from_environment() -> MithrilSettings | None:
    """Those of the MITHRIL_ variables; None without a key. Raises ConfigError."""
    return _settings({})


def _settings(context: Mapping[str, Any]) -> MithrilSettings | None:
    said = {name: _text(context, name) for name in ENVIRONMENT if name != "ssh_keys"}
    key = said["api_key"]
    if not key:
        return None
    if not _KEY.fullmatch(key):
        raise ConfigError("MITHRIL_API_KEY holds characters that no key has; copy it again", field="MITHRIL_API_KEY")
    key_file = said["ssh_key"]
    return MithrilSettings(
        key,
        _checked(said["api_url"] or DEFAULT_URL),
        said["project"] or None,
        said["region"] or None,
        _names(context.get("ssh_keys") or os.environ.get(ENVIRONMENT["ssh_keys"], "")),
        Path(os.path.expanduser(key_file)) if key_file else None,
        said["instance_type"] or None,
        login_timeout_of(context),
    )


def _text(context: Mapping[str, Any], name: str) -> str:
    value = context.get(name) or os.environ.get(ENVIRONMENT[name], "")
    if not isinstance(value, str) or not value.strip().isprintable():
        raise ConfigError(f"{ENVIRONMENT[name]} must be plain text", field=ENVIRONMENT[name])
    return value.strip()


def _names(value: Any) -> tuple[str, ...]:
    """A list, or names with commas between them."""
    words = value.split(",") if isinstance(value, str) else value
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise ConfigError("ssh_keys: must be a list of ids or names", field="ssh_keys")
    return tuple(word.strip() for word in words if word.strip())


def _checked(url: str) -> str:
    """The address without a slash at its end. A key in clear text goes to this machine at most."""
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
