"""Writes the fields of a line as text: in columns on one line, or unfolded over several."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from flow_core.logs.analysis.structured import StructuredLine, WrittenNumber
from flow_core.logs.escape import escape_controls

_LEVEL_WIDTH = len("critical")
_LONGEST_VALUE = 200
_LONGEST_TEXT = 16 * 1024
_MOST_LINES = 2000
_INDENT = "  "
_DEEPEST = 40


def render_columns(line: StructuredLine) -> str:
    """Returns one line: prefix, time, level, message, and the other fields as `key=value`. At most 16 KiB.

    Shortens a value to 200 characters, but not the message. Contains no control characters.
    """
    special = (line.time_name, line.level_name, line.message_name)
    head = [line.prefix, line.time or "", line.level.upper().ljust(_LEVEL_WIDTH) if line.level else ""]
    head.append(line.message or "")
    fields = (f"{name}={_to_short(value)}" for name, value in line.fields if name not in special)
    text = ""
    for word in (*head, *fields):
        if word:
            text += f" {word}" if text else word
        if len(text) > _LONGEST_TEXT:
            return escape_controls(text[:_LONGEST_TEXT]) + "…"
    return escape_controls(text)


def render_unfolded(line: StructuredLine) -> list[str]:
    """Returns one line per field, with nested ones indented, and the lines of long texts. At most 2,000 lines.

    The values are complete, apart from lines over 16 KiB and from what is nested over 40 deep. Contains no control
    characters.
    """
    lines = [line.prefix] if line.prefix else []
    lines += islice(_unfold(line.fields, ""), _MOST_LINES)
    if len(lines) >= _MOST_LINES:
        lines.append("…")
    return [escape_controls(one if len(one) <= _LONGEST_TEXT else one[:_LONGEST_TEXT] + "…") for one in lines]


def _unfold(fields: Any, indent: str) -> Iterator[str]:
    for name, value in fields:
        yield from _unfold_value(f"{indent}{name}:", value, indent + _INDENT)


def _unfold_value(head: str, value: Any, indent: str) -> Iterator[str]:
    if len(indent) > _DEEPEST * len(_INDENT):
        yield f"{head} …"
    elif isinstance(value, dict) and value:
        yield head
        yield from _unfold(value.items(), indent)
    elif isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
        yield head
        for one in value:
            yield from _unfold_value(f"{indent}-", one, indent + _INDENT)
    elif isinstance(value, str) and "\n" in value:
        yield head
        yield from (indent + one for one in value.splitlines())
    else:
        yield f"{head} {_to_text(value, _LONGEST_TEXT)}"


def _to_short(value: Any) -> str:
    text = _to_text(value, _LONGEST_VALUE)
    if isinstance(value, str) and not isinstance(value, WrittenNumber) and (not text or " " in text or '"' in text):
        text = json.dumps(text, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _to_text(value: Any, limit: int) -> str:
    """Returns at least the first `limit` characters of a value that has more."""
    if isinstance(value, str):
        return value[: limit + 1]
    text = ""
    for piece in _to_json(value, _DEEPEST):
        text += piece
        if len(text) > limit:
            break
    return text


def _to_json(value: Any, depth: int) -> Iterator[str]:
    """Yields pieces of JSON. Numbers stay as the log has them. A value deeper than `depth` is left out."""
    if isinstance(value, WrittenNumber):
        yield value
    elif isinstance(value, dict | list) and not depth:
        yield "…"
    elif isinstance(value, dict):
        yield from _to_json_items(value.items(), depth - 1)
    elif isinstance(value, list):
        yield "["
        for number, one in enumerate(value):
            yield ", " if number else ""
            yield from _to_json(one, depth - 1)
        yield "]"
    else:
        yield json.dumps(value, ensure_ascii=False)


def _to_json_items(items: Iterable[tuple[str, Any]], depth: int) -> Iterator[str]:
    yield "{"
    for number, (name, value) in enumerate(items):
        yield f"{', ' if number else ''}{json.dumps(name, ensure_ascii=False)}: "
        yield from _to_json(value, depth)
    yield "}"
