"""How to reach the Mithril API, and as whom."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from flow_core.errors import ConfigError

DEFAULT_URL = "https://api.mithril.ai"
_KEY = re.compile(r"[!-~]{1,512}")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class MithrilSettings:
    """An address, a key that is never shown, and the project's id or name where one was chosen."""

    api_key: str = field(repr=False)
    url: str = DEFAULT_URL
    project: str | None = None

    @property
    def is_loopback(self) -> bool:
        return urlsplit(self.url).hostname in _LOOPBACK


def settings_from_environment() -> MithrilSettings | None:
    """Those of MITHRIL_API_KEY, MITHRIL_API_URL and MITHRIL_PROJECT; None without a key. Raises ConfigError."""
    key = os.environ.get("MITHRIL_API_KEY", "").strip()
    if not key:
        return None
    if not _KEY.fullmatch(key):
        raise ConfigError("MITHRIL_API_KEY holds characters that no key has; copy it again", field="MITHRIL_API_KEY")
    url = os.environ.get("MITHRIL_API_URL", "").strip() or DEFAULT_URL
    project = os.environ.get("MITHRIL_PROJECT", "").strip() or None
    return MithrilSettings(key, _checked(url), project)


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
