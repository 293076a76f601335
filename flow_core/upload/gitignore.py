"""The rules of one ignore file, in git's grammar. pathspec translates each pattern to a regular expression."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import NamedTuple

from flow_core.agent.regular_files import open_regular_file
from flow_core.errors import ConfigError
from flow_core.upload.source import mtime_to_record, unreadable_error

_FILE_BYTES_MAX = 1 << 20
_CHARACTER_CLASSES = {
    "[:alnum:]": "0-9A-Za-z",
    "[:alpha:]": "A-Za-z",
    "[:blank:]": " \t",
    "[:digit:]": "0-9",
    "[:lower:]": "a-z",
    "[:space:]": " \t-\r",
    "[:upper:]": "A-Z",
    "[:xdigit:]": "0-9A-Fa-f",
}
_SPACE_AT_END = re.compile(r"(?<!\\)((?:\\\\)*)\\?(\s)$")
_NAMED_GROUP = re.compile(r"\(\?P<\w+>")


class IgnoreRules:
    """The patterns of one ignore file. A pattern decides about a path itself, not about the files below it.

    `base` is the folder of the ignore file: "" or ending in a slash.
    """

    __slots__ = ("_any_name", "_any_path", "_base_length", "_patterns", "has_negation")

    def __init__(self, text: bytes, base: str = "") -> None:
        self._base_length = len(_to_bytewise(base))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # `re` reserves sets that git allows, such as [[].
            self._patterns = [pattern for line in _lines(text) if (pattern := _parse_pattern(line)) is not None]
            self._any_name = _union([one.regex for one in self._patterns if one.by_name])
            self._any_path = _union([one.regex for one in self._patterns if not one.by_name])
        self.has_negation = any(not one.ignores for one in self._patterns)

    def match(self, path: str, name: str) -> bool | None:
        """Returns True: ignored, False: re-included, None: no pattern matches. The path of a folder ends in a slash."""
        if not path.isascii():
            path, name = _to_bytewise(path), _to_bytewise(name)
        path = path[self._base_length :]
        # Most paths match nothing. One union of all patterns detects that faster than a loop over them.
        if not (self._any_name is not None and self._any_name.fullmatch(name)) and not (
            self._any_path is not None and self._any_path.fullmatch(path)
        ):
            return None
        for pattern in reversed(self._patterns):
            if pattern.regex.fullmatch(name if pattern.by_name else path):
                return pattern.ignores
        return None


def read_ignore_file(
    path: Path, base: str, *, follow: bool = False
) -> tuple[IgnoreRules | None, tuple[int, int] | None]:
    """Returns the rules of a file and its (size, mtime_ns), or (None, None) if there is none.

    Without `follow`, ignores a file that is a link, like git. Raises ConfigError for a file that can't be read.
    """
    try:
        fd = open_regular_file(path, 0 if follow else os.O_NOFOLLOW)
    except PermissionError as error:
        raise unreadable_error(path if os.path.lexists(path) else path.parent, error) from error
    except OSError:
        return None, None
    with open(fd, "rb") as file:
        found = os.fstat(fd)
        if found.st_size > _FILE_BYTES_MAX:
            raise ConfigError(f"{str(path)!r} is no ignore file: it is larger than 1 MiB", field="source_dir")
        return IgnoreRules(file.read(_FILE_BYTES_MAX), base), (found.st_size, mtime_to_record(found.st_mtime_ns))


class _Pattern(NamedTuple):
    """A pattern of an ignore file. `regex` matches a whole path, or with `by_name` the last component alone."""

    regex: re.Pattern[str]
    ignores: bool
    by_name: bool


def _lines(text: bytes) -> list[str]:
    """Splits at line feeds only, without a byte order mark and trailing spaces, like git."""
    lines = text.removeprefix(b"\xef\xbb\xbf").decode("ascii", "surrogateescape").split("\n")
    return [_strip_spaces(line.removesuffix("\r")) for line in lines]


def _to_bytewise(text: str) -> str:
    """Maps each byte of the text to one character: git's `?` matches a byte, not a letter."""
    return text if text.isascii() else os.fsencode(text).decode("ascii", "surrogateescape")


def _strip_spaces(line: str) -> str:
    """Removes trailing spaces, except an escaped one."""
    bare = line.rstrip(" ")
    escapes = len(bare) - len(bare.rstrip("\\"))
    return bare + " " if escapes % 2 and len(bare) < len(line) else bare


def _parse_pattern(line: str) -> _Pattern | None:
    """Parses a pattern; returns None for a comment, a blank line and an invalid pattern, which git skips too."""
    from pathspec import GitIgnoreSpec  # lazy import: needed only for an ignore file

    if not line or line.startswith("#"):
        return None
    pattern, by_name = _rewrite(line)
    try:
        (found,) = GitIgnoreSpec.from_lines([pattern], backend="simple").patterns
    except (ValueError, re.error):
        return None
    if found.include is None or found.regex is None:
        return None
    # Its named groups would clash in the union. Without DOTALL, no `**` would match a name that has a line feed.
    regex = re.compile(_NAMED_GROUP.sub("(?:", found.regex.pattern), re.DOTALL)
    return _Pattern(regex, found.include, by_name)


def _rewrite(line: str) -> tuple[str, bool]:
    """Rewrites a pattern for a match of the whole path; returns it, and whether it applies to the last component only.

    GitIgnoreSpec searches with its regular expressions: they also match everything below a path, and those of some
    patterns that end in `*` or `**` match only a part of the path.
    """
    negation = "!" if line.startswith("!") else ""
    body = line[len(negation) :]
    for name, characters in _CHARACTER_CLASSES.items():
        body = body.replace(name, characters)
    slash = "/" if body.endswith("/") else ""
    above, _, last = body.removesuffix("/").rpartition("/")
    by_name = "/" not in body.removesuffix("/")
    if last == "**" and not by_name:
        last = "**/?*"  # it matches the content, not the folder itself
    elif last in ("*", "**"):
        last = "?*"
    last = _SPACE_AT_END.sub(r"\1[\2]", last)  # GitIgnoreSpec would strip it
    return f"{negation}{above}/{last}{slash}", by_name


def _union(patterns: list[re.Pattern[str]]) -> re.Pattern[str] | None:
    return re.compile("|".join(f"(?:{one.pattern})" for one in patterns), re.DOTALL) if patterns else None
