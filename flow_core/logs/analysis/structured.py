"""Recognises lines of fields: JSON, logfmt, and the dicts that the HF Trainer prints."""

from __future__ import annotations

import ast
import json
import re
import warnings
from dataclasses import dataclass
from typing import Any

from flow_core.logs.analysis.levels import LogLevel, parse_level

_LONGEST_LINE = 256 * 1024
_LONGEST_DICT = 64 * 1024
_LONGEST_LOGFMT = 64 * 1024
_LONGEST_PREFIX = 200
_MOST_FIELDS = 2000
_LEVEL_NAMES = ("level", "levelname", "severity", "lvl", "log.level", "log_level", "loglevel")
_MESSAGE_NAMES = ("message", "msg", "event", "text", "body")
_TIME_NAMES = ("time", "timestamp", "ts", "@timestamp", "asctime", "datetime", "date", "t")
_PAIR = re.compile(r'([A-Za-z_@][\w.@/-]*)=("(?:[^"\\]|\\.)*"|[^\s"]*),?(?:\s+|$)')
_NOT_FINITE = re.compile(r"(?<=: )(-?(?:nan|inf))(?=[,}\]])")
_OPEN = re.compile(r"[{\[]")
_DEEPEST = 50


class WrittenNumber(str):
    """A number exactly as the log has it; a float could lose digits."""


@dataclass(frozen=True, slots=True)
class StructuredLine:
    """The fields of a line, in their order. `prefix` is the text before them.

    A value is a str, a WrittenNumber, a bool, None, a list or a dict. `message_name` and so on are the names of the
    fields that have that meaning, or None.
    """

    prefix: str
    fields: tuple[tuple[str, Any], ...]
    time_name: str | None
    level_name: str | None
    message_name: str | None

    @property
    def level(self) -> LogLevel | None:
        return parse_level(str(self.get(self.level_name))) if self.level_name else None

    @property
    def message(self) -> str | None:
        return str(self.get(self.message_name)) if self.message_name else None

    @property
    def time(self) -> str | None:
        """The time as the line has it; find_time reads it."""
        return str(self.get(self.time_name)) if self.time_name else None

    def get(self, name: str | None) -> Any:
        return next((value for one, value in self.fields if one == name), None)


def parse_structured(text: str) -> StructuredLine | None:
    """Returns the fields of a line, or None if it has none. Never raises. Takes up to 20 ms for the longest line.

    JSON and dicts may stand after other text, up to the end of the line. Of logfmt, the whole line consists of fields.
    Keeps the first 2,000 fields. A line over 256 KiB has none.
    """
    text = text.rstrip()
    if len(text) > _LONGEST_LINE:
        return None
    if text.endswith("}"):
        start = text.find("{", 0, _LONGEST_PREFIX)
        pairs = _parse_object(text[start:]) if start >= 0 else None
        return _to_line(text[:start].rstrip(), pairs) if pairs else None
    pairs = _parse_logfmt(text)
    return _to_line("", pairs) if pairs else None


def _to_line(prefix: str, pairs: list[tuple[str, Any]]) -> StructuredLine:
    names = {name.lower(): name for name, value in reversed(pairs) if not isinstance(value, dict | list)}

    def first(candidates: tuple[str, ...]) -> str | None:
        return next((names[name] for name in candidates if name in names), None)

    level_name = first(_LEVEL_NAMES)
    fields = tuple(pairs)
    is_level = level_name is not None and parse_level(str(dict(fields)[level_name])) is not None
    return StructuredLine(prefix, fields, first(_TIME_NAMES), level_name if is_level else None, first(_MESSAGE_NAMES))


def _parse_object(text: str) -> list[tuple[str, Any]] | None:
    """Returns the fields of a JSON object or a Python dict that is the whole text."""
    try:
        pairs = json.loads(text, object_pairs_hook=_Pairs, parse_float=WrittenNumber, parse_int=WrittenNumber)
    except ValueError:
        pairs = _parse_dict(text)
    except RecursionError:
        return None
    return list(pairs.items_in_order) if isinstance(pairs, _Pairs) else None


class _Pairs(dict[str, Any]):
    """A JSON object that also keeps a name that occurs twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.items_in_order = pairs[:_MOST_FIELDS]


def _parse_dict(text: str) -> _Pairs | None:
    """Reads only a short and flat text: Python's parser takes 100 times as long as JSON's, and may use up the stack."""
    if len(text) > _LONGEST_DICT or not text.startswith(("{'", '{"')) or len(_OPEN.findall(text)) > _DEEPEST:
        return None
    try:
        with warnings.catch_warnings(action="ignore"):  # of invalid escapes
            value = ast.literal_eval(_NOT_FINITE.sub(r"'\1'", text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return _Pairs([(str(name), _plain(one)) for name, one in value.items()]) if isinstance(value, dict) else None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(one) for one in value]
    if isinstance(value, bool | str) or value is None:
        return value
    return WrittenNumber(repr(value))


def _parse_logfmt(text: str) -> list[tuple[str, Any]] | None:
    """Returns the fields if the whole text consists of at least two."""
    position = len(text) - len(text.lstrip())
    pairs: list[tuple[str, Any]] = []
    if len(text) > _LONGEST_LOGFMT:
        return None
    while position < len(text) and len(pairs) < _MOST_FIELDS:
        found = _PAIR.match(text, position)
        if found is None:
            return None
        pairs.append((found[1], _unquote(found[2])))
        position = found.end()
    return pairs if len(pairs) > 1 else None


def _unquote(value: str) -> str:
    if not value.startswith('"'):
        return value.rstrip(",")
    try:
        return str(json.loads(value, strict=False))
    except ValueError:
        return value[1:-1]
