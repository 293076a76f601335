"""One ignore file, in git's grammar."""

from __future__ import annotations

import os
import re
from pathlib import Path

from flow_core.agent.regular_files import open_regular_file
from flow_core.errors import ConfigError
from flow_core.upload.source import mtime_to_record, unreadable_error

_MOST_BYTES = 1 << 20
_ANYWHERE = "^(?:.+/)?"
# What pathspec makes of a bare "*", "**", "*/" and "**/" is meant for a search, not for a whole path.
_WHOLE = {".": ".+", "/": ".+/", "(?P<ps_d>/)": ".+/"}


class IgnoreRules:
    """The patterns of one file. Each speaks of a path itself, never of what lies below it, as git has it.

    `base` is the folder that the file stands in, "" or ending in a slash.
    """

    __slots__ = ("_any_name", "_any_path", "_base_length", "_patterns", "has_negation")

    def __init__(self, text: bytes, base: str = "") -> None:
        self._base_length = len(_as_bytes(base))
        self._patterns = [one for line in _lines(text) if (one := _pattern(line)) is not None]
        self._any_name = _union([regex for regex, _, by_name in self._patterns if by_name])
        self._any_path = _union([regex for regex, _, by_name in self._patterns if not by_name])
        self.has_negation = any(not ignores for _, ignores, _ in self._patterns)

    def match(self, path: str, name: str) -> bool | None:
        """True: ignored, False: explicitly not, None: it doesn't speak of this. A folder ends in a slash."""
        if not path.isascii():
            path, name = _as_bytes(path), _as_bytes(name)
        path = path[self._base_length :]
        # One pass over a union first: nearly no path is spoken of, and that answer should cost little.
        if not (self._any_name is not None and self._any_name.fullmatch(name)) and not (
            self._any_path is not None and self._any_path.fullmatch(path)
        ):
            return None
        for regex, ignores, by_name in reversed(self._patterns):
            if regex.fullmatch(name if by_name else path):
                return ignores
        return None


def read_ignore_file(
    path: Path, base: str, *, follow: bool = False
) -> tuple[IgnoreRules | None, tuple[int, int] | None]:
    """The rules of a file and its (size, mtime_ns); (None, None) where there is none. Like git, follows no link.

    Raises ConfigError for one that can't be read.
    """
    try:
        fd = open_regular_file(path, 0 if follow else os.O_NOFOLLOW)
    except PermissionError as error:
        raise unreadable_error(path if os.path.lexists(path) else path.parent, error) from error
    except OSError:
        return None, None
    with open(fd, "rb") as file:
        found = os.fstat(fd)
        if found.st_size > _MOST_BYTES:
            raise ConfigError(f"{str(path)!r} is no ignore file: it is larger than 1 MiB", field="source_dir")
        return IgnoreRules(file.read(_MOST_BYTES), base), (found.st_size, mtime_to_record(found.st_mtime_ns))


def _lines(text: bytes) -> list[str]:
    """As git splits them: at line feeds alone, without a byte order mark and trailing spaces."""
    lines = text.removeprefix(b"\xef\xbb\xbf").decode("latin-1").split("\n")
    return [_without_trailing_spaces(line.removesuffix("\r")) for line in lines]


def _as_bytes(text: str) -> str:
    """One character a byte: to git a `?` is a byte, not a letter."""
    return text if text.isascii() else os.fsencode(text).decode("latin-1")


def _without_trailing_spaces(line: str) -> str:
    bare = line.rstrip(" ")
    escapes = len(bare) - len(bare.rstrip("\\"))
    return bare + " " if escapes % 2 and len(bare) < len(line) else bare


def _pattern(line: str) -> tuple[re.Pattern[str], bool, bool] | None:
    """(whole-path regex, ignores, is matched against the name alone), or None for what says nothing."""
    # Deferred: who has no ignore file doesn't pay for it.
    from pathspec.patterns.gitignore import GitIgnorePatternError
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    if line.rstrip("/").endswith("/**"):
        line = re.sub(r"/\*\*(/*)$", r"/**/*\1", line)  # what is inside, never the folder itself
    try:
        regex, ignores = GitIgnoreSpecPattern.pattern_to_regex(line)
    except GitIgnorePatternError:
        return None  # git passes over a pattern that it can't read
    if regex is None or ignores is None:
        return None
    regex = _WHOLE.get(regex, regex)
    by_name = regex.startswith(_ANYWHERE) and "/" not in line.rstrip("/")
    regex = regex[len(_ANYWHERE) :] if by_name else regex
    return re.compile(regex.replace("(?P<ps_d>", "(?:"), re.DOTALL), ignores, by_name


def _union(patterns: list[re.Pattern[str]]) -> re.Pattern[str] | None:
    return re.compile("|".join(f"(?:{one.pattern})" for one in patterns), re.DOTALL) if patterns else None
