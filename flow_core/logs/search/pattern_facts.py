"""What a regular expression can match, read from its parse tree: text that every match contains, and line ends.

The parse tree is a private interface of `re`. Everything here is an optimisation: an unknown node only makes the search
slower.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

_ASCII_CAPITALS = range(ord("A"), ord("Z") + 1)
_ZERO_WIDTH_LINE = (op.AT_BEGINNING_STRING, op.AT_END_STRING)
_ENDS = (op.AT_END, op.AT_END_STRING)
_REPEATS = tuple(getattr(op, name) for name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT") if hasattr(op, name))
_ATOMIC = tuple(getattr(op, name) for name in ("ATOMIC_GROUP", "POSSESSIVE_REPEAT") if hasattr(op, name))
_LOOKAROUND = (op.ASSERT, op.ASSERT_NOT)
_NEWLINE = "\n"


class PatternFacts(NamedTuple):
    """Facts about a pattern."""

    texts: tuple[str, ...]
    """Texts that are in every match, in the case of the pattern."""
    has_own_flags: bool
    """Whether the pattern may change its flags. Lookarounds count too."""
    is_ascii: bool
    """Whether only ASCII characters are named in it."""
    is_plain: bool
    """Whether the pattern is its only text."""
    can_lower: bool
    """Whether it finds the same in ASCII text and in that text in lower case, if it ignores case."""
    may_match_newline: bool
    """Whether a match in text of several lines may span lines."""
    needs_single_lines: bool
    """Whether it may find something else in text of several lines than in each line alone."""
    ends_visibly: bool
    """Whether every match ends with a character that is not blank, whatever follows it."""


def read_facts(source: str, *, ignores_case: bool) -> PatternFacts:
    """Parses a valid regular expression."""
    flags = re.MULTILINE | (re.IGNORECASE if ignores_case else 0)
    tree = parser.parse(source, flags)
    has_own_flags = tree.state.flags & ~re.UNICODE != flags or "(?" in source.replace("(?:", "").replace("(?P<", "")
    nodes = list(_walk(tree))
    codes = [code for node in nodes for code in _literals(*node)]
    is_ascii = source.isascii() and not has_own_flags and all(code < 128 for code in codes)
    can_lower = is_ascii and not any(_has_capital(*node) for node in nodes)
    newline = not nodes or any(_may_match_newline(operator, argument, has_own_flags) for operator, argument in nodes)
    low, _ = tree.getwidth()
    needs_lines = low == 0 or any(_depends_on_text_end(operator, argument, newline) for operator, argument in nodes)
    texts = () if has_own_flags else tuple(_required(tree))
    is_plain = len(tree) > 0 and all(node[0] is op.LITERAL for node in tree) and not has_own_flags
    return PatternFacts(texts, has_own_flags, is_ascii, is_plain, can_lower, newline, needs_lines, _ends_visibly(tree))


def _walk(tree: Any) -> Iterator[tuple[Any, Any]]:
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


def _ends_visibly(tree: Any) -> bool:
    nodes = list(_walk(tree))
    if any(operator in _LOOKAROUND or (operator is op.AT and argument in _ENDS) for operator, argument in nodes):
        return False
    return _last_is_visible(list(tree))


def _last_is_visible(nodes: list[Any]) -> bool:
    while nodes and nodes[-1][0] is op.AT:
        nodes = nodes[:-1]
    if not nodes:
        return False
    operator, argument = nodes[-1]
    if operator is op.LITERAL:
        return bool(argument != ord(" "))
    if operator is op.IN:
        return all(_item_is_visible(*item) for item in argument)
    if operator is op.BRANCH:
        return all(_last_is_visible(list(part)) for part in argument[1])
    if operator is op.SUBPATTERN:
        return _last_is_visible(list(argument[3]))
    return operator in _REPEATS and argument[0] >= 1 and _last_is_visible(list(argument[2]))


def _item_is_visible(operator: Any, argument: Any) -> bool:
    if operator is op.CATEGORY:
        return argument in (op.CATEGORY_DIGIT, op.CATEGORY_WORD)
    if operator is op.RANGE:
        return bool(argument[0] > ord(" "))
    return operator is op.LITERAL and argument != ord(" ")
