"""What a regular expression can match, read from its parse tree: text that every match contains, and line ends.

The parse tree is a private interface of `re`. Everything here is an optimisation: an unknown node only makes the search
slower.
"""

from __future__ import annotations

import re
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser
from typing import Any, NamedTuple

_ASCII_CAPITALS = range(ord("A"), ord("Z") + 1)
_ZERO_WIDTH_LINE = (op.AT_BEGINNING_STRING, op.AT_END_STRING)
_REPEATS = tuple(getattr(op, name) for name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT") if hasattr(op, name))
_ATOMIC = tuple(getattr(op, name) for name in ("ATOMIC_GROUP", "POSSESSIVE_REPEAT") if hasattr(op, name))
_LOOKAROUND = (op.ASSERT, op.ASSERT_NOT)
_NEWLINE = "\n"


class PatternFacts(NamedTuple):
    """Facts about a pattern.

    `texts` are in every match, in the case of the pattern. `has_own_flags`: the pattern may change its flags.
    `is_ascii`: only ASCII characters are named in it. `is_plain`: it is its only text. `can_lower`: it finds the same in
    ASCII text and in that text in lower case. `may_match_newline`: in text of several lines a match may span lines.
    `needs_single_lines`: in text of several lines it may match differently than in each line alone.
    """

    texts: tuple[str, ...]
    has_own_flags: bool
    is_ascii: bool
    is_plain: bool
    can_lower: bool
    may_match_newline: bool
    needs_single_lines: bool


def read_facts(source: str, *, ignores_case: bool) -> PatternFacts:
    """Parses a valid regular expression."""
    flags = re.MULTILINE | (re.IGNORECASE if ignores_case else 0)
    tree = parser.parse(source, flags)
    has_own_flags = tree.state.flags & ~re.UNICODE != flags or "(?" in source.replace("(?:", "").replace("(?P<", "")
    nodes = list(_walk(tree))
    codes = [code for node in nodes for code in _literals(*node)]
    is_ascii = source.isascii() and not has_own_flags and all(code < 128 for code in codes)
    can_lower = is_ascii and not any(_has_capital(*node) for node in nodes)
    newline = not nodes or any(_may_match_newline(*node, has_own_flags) for node in nodes)
    low, _ = tree.getwidth()
    needs_lines = low == 0 or any(_depends_on_text_end(*node, newline) for node in nodes)
    texts = () if has_own_flags else tuple(_required(tree))
    is_plain = len(tree) > 0 and all(node[0] is op.LITERAL for node in tree) and not has_own_flags
    return PatternFacts(texts, has_own_flags, is_ascii, is_plain, can_lower, newline, needs_lines)


def _walk(tree: Any) -> Any:
    """Yields every node of the tree as (operator, argument)."""
    for operator, argument in tree:
        yield operator, argument
        for part in _children(operator, argument):
            yield from _walk(part)


def _children(operator: Any, argument: Any) -> list[Any]:
    if operator in _REPEATS:
        return [argument[2]]
    if operator is op.SUBPATTERN:
        return [argument[3]]
    if operator is op.BRANCH:
        return list(argument[1])
    if operator in _LOOKAROUND:
        return [argument[1]]
    if operator is op.GROUPREF_EXISTS:
        return [part for part in argument[1:] if part is not None]
    return [argument] if operator in _ATOMIC else []


def _literals(operator: Any, argument: Any) -> list[int]:
    if operator in (op.LITERAL, op.NOT_LITERAL):
        return [argument]
    if operator is op.IN:
        return [code for item in argument for code in _literals(*item)]
    return list(argument) if operator is op.RANGE else []


def _has_capital(operator: Any, argument: Any) -> bool:
    if operator is op.IN:
        return any(_has_capital(*item) for item in argument)
    if operator is op.RANGE:
        return bool(argument[0] <= _ASCII_CAPITALS[-1] and argument[1] >= _ASCII_CAPITALS[0])
    return operator in (op.LITERAL, op.NOT_LITERAL) and argument in _ASCII_CAPITALS


def _may_match_newline(operator: Any, argument: Any, has_own_flags: bool) -> bool:
    if operator is op.ANY:
        return has_own_flags
    if operator is op.LITERAL:
        return bool(argument == ord(_NEWLINE))
    if operator is op.IN:
        return _set_has_newline(argument)
    return operator is op.NOT_LITERAL


def _set_has_newline(items: Any) -> bool:
    is_negated = items[0][0] is op.NEGATE
    return is_negated != any(_item_has_newline(*item) for item in items)


def _item_has_newline(operator: Any, argument: Any) -> bool:
    if operator is op.CATEGORY:
        return argument in (op.CATEGORY_SPACE, op.CATEGORY_NOT_DIGIT, op.CATEGORY_NOT_WORD)
    if operator is op.RANGE:
        return bool(argument[0] <= ord(_NEWLINE) <= argument[1])
    return operator is op.LITERAL and argument == ord(_NEWLINE)


def _depends_on_text_end(operator: Any, argument: Any, newline: bool) -> bool:
    if operator is op.AT:
        return argument in _ZERO_WIDTH_LINE
    return newline and (operator in _LOOKAROUND or operator in _ATOMIC)


def _required(tree: Any) -> list[str]:
    """Returns the texts that every match contains, in order."""
    texts, text = [], ""
    for operator, argument in tree:
        if operator is op.LITERAL:
            text += chr(argument)
            continue
        if operator is op.AT:
            continue
        texts.append(text)
        text = ""
        if operator is op.SUBPATTERN and not argument[1] and not argument[2]:
            texts += _required(argument[3])
        elif operator in _REPEATS and argument[0] >= 1:
            texts += _required(argument[2])
    return [found for found in (*texts, text) if found and _NEWLINE not in found]
