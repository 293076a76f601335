"""Regular expressions that take little time for a short text, because filters run while the user types."""

from __future__ import annotations

import re
import warnings
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from flow_core.errors import ConfigError

LONGEST_TEXT = 256
"""Characters of a text that are searched."""
_MOST_REPEATS = 3
_REPEATS = tuple(getattr(op, name) for name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT") if hasattr(op, name))
_REFERENCES = (op.GROUPREF, op.GROUPREF_EXISTS)


def compile_safe_pattern(text: str) -> re.Pattern[str]:
    """Compiles a regular expression that ignores case.

    Raises ConfigError if it is invalid, or if it could take for ever: with a repeat inside another one, with more than
    three repeats, or with a reference to a group.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            repeats, has_references = _examine(parser.parse(text))
            pattern = re.compile(text, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        raise ConfigError(f"is not a regular expression: {getattr(error, 'msg', error)}") from None
    if has_references or repeats > _MOST_REPEATS:
        raise ConfigError(f"may have up to {_MOST_REPEATS} repeats (* + ?), none inside another, and no references")
    return pattern


def _examine(tree: Any, *, is_repeated: bool = False) -> tuple[int, bool]:
    """Returns the number of repeats in a parse tree, more than allowed if one is in another; and whether it refers."""
    repeats, has_references = 0, False
    for operator, argument in tree:
        has_references |= operator in _REFERENCES
        is_repeat = operator in _REPEATS and argument[1] > 1
        repeats += (_MOST_REPEATS + 1 if is_repeated else 1) if is_repeat else 0
        for part in _list_parts(argument):
            inner, refers = _examine(part, is_repeated=is_repeated or is_repeat)
            repeats, has_references = repeats + inner, has_references or refers
    return repeats, has_references


def _list_parts(argument: Any) -> list[Any]:
    """Returns the parse trees in the argument of a node, at any depth."""
    if isinstance(argument, parser.SubPattern):
        return [argument]
    if isinstance(argument, (list, tuple)):
        return [part for item in argument for part in _list_parts(item)]
    return []
