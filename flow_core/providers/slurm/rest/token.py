"""The JSON web token for slurmrestd: from a file that only its user can read, or from SLURM_JWT."""

from __future__ import annotations

import base64
import json
import math
import os
import re
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path

from flow_core.errors import AuthError, ConfigError, printable
from flow_core.providers.contract.blocking_io import run_blocking
from flow_core.providers.slurm.queue.wording import format_duration

VARIABLE = "SLURM_JWT"
NEW_TOKEN = "make a new one with `scontrol token`"
_FIELD = "rest_token_file"
_BYTES_MAX = 64 << 10
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_DAYS_MAX = 36_500


@dataclass(frozen=True, slots=True)
class Token:
    """A token, where it comes from, and when it expires in seconds since 1970 (infinity: never, or unknown)."""

    text: str = field(repr=False)
    place: str
    expires_at: float = math.inf

    def describe_expiry(self) -> str:
        """Returns how long ago it expired, such as "expired 5 min ago"; "" if it has not, by the clock here."""
        seconds = time.time() - self.expires_at
        return f"expired {format_duration(int(seconds))} ago" if 0 <= seconds < _DAYS_MAX * 86400 else ""


class TokenSource:
    """The token of a context. It is read for every request, so that a new one is used at once."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    async def read(self) -> Token:
        """Returns the token. Raises AuthError if there is none, ConfigError for its file, and Unreachable."""
        text = os.environ.get(VARIABLE, "") if self._path is None else await run_blocking(_read_file, self._path)
        token = text.strip().removeprefix(f"{VARIABLE}=")
        place = VARIABLE if self._path is None else printable(str(self._path))
        if not token:
            where = VARIABLE if self._path is None else place
            raise AuthError(f"{where} holds no token for slurmrestd; {NEW_TOKEN}, for rest_token_file or {VARIABLE}")
        if not _TOKEN.fullmatch(token):
            raise AuthError(f"the content of {place} is no token for slurmrestd; {NEW_TOKEN}")
        return Token(token, place, _read_expiry(token))


def _read_file(path: Path) -> str:
    """Reads the token file. Raises ConfigError unless only its user can read it."""
    shown = printable(str(path))
    try:
        with path.open("rb") as file:
            info = os.fstat(file.fileno())
            if info.st_mode & 0o077:
                raise ConfigError(
                    f"{_FIELD}: others can read {shown}; run chmod 600 on it, and {NEW_TOKEN}", field=_FIELD
                )
            if not stat.S_ISREG(info.st_mode):
                raise ConfigError(f"{_FIELD}: {shown} is no file", field=_FIELD)
            return file.read(_BYTES_MAX).decode("ascii", "replace")
    except OSError as error:
        raise ConfigError(f"{_FIELD}: {shown} can't be read: {error.strerror}", field=_FIELD) from None


def _read_expiry(token: str) -> float:
    payload = token.split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, RecursionError):
        return math.inf
    expiry = claims.get("exp") if isinstance(claims, dict) else None
    if isinstance(expiry, bool) or not isinstance(expiry, int) or not 0 < expiry < 1 << 40:
        return math.inf
    return float(expiry)
