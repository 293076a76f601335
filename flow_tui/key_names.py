"""Converts names of keys: as users write them, as Textual calls them, and as the screen shows them."""

from __future__ import annotations

import string

from textual.keys import _character_to_key, key_to_character

_SPELLINGS = {
    "esc": "escape",
    "pgdn": "pagedown",
    "pgup": "pageup",
    "del": "delete",
    "ins": "insert",
    "return": "enter",
}
_NAMED = frozenset(
    {
        *("escape", "enter", "tab", "space", "backspace", "delete", "insert"),
        *("up", "down", "left", "right", "home", "end", "pageup", "pagedown"),
        *(f"f{number}" for number in range(1, 25)),
    }
)
_MODIFIERS = frozenset({"alt", "ctrl", "hyper", "meta", "shift", "super"})
_SYMBOLS = {_character_to_key(character): character for character in string.punctuation}
_SHORT = {"escape": "esc", "pagedown": "pgdn", "pageup": "pgup"}


def parse_key(text: str) -> str | None:
    """Returns Textual's name of a key that a user wrote, such as "ctrl+x", "^x", "?" or "pgdn"; None if unknown."""
    text = text.strip()
    if len(text) == 2 and text[0] == "^":
        text = f"ctrl+{text[1]}"
    head, plus, name = text.rpartition("+")
    if not name:  # the key is "+" itself
        head, plus, name = (text[:-2], "+", "+") if text.endswith("++") else ("", "", text)
    modifiers = head.lower().split("+") if plus else []
    if not _MODIFIERS.issuperset(modifiers) or len(set(modifiers)) < len(modifiers):
        return None
    if len(name) == 1 and modifiers == ["shift"] and name.isalpha():
        return name.upper()  # as terminals send it
    found = _parse_name(name.lower() if "ctrl" in modifiers else name)
    return None if found is None else "+".join([*sorted(modifiers), found])


def parse_keys(text: str) -> tuple[str, ...] | None:
    """Parses keys that are separated by commas, as `parse_key` does; None if one of them is no key."""
    found = [parse_key(part) for part in text.split(",")]
    keys = tuple(key for key in found if key is not None)
    return keys if len(keys) == len(found) else None


def format_short_key(key: str) -> str:
    """Formats a key for the footer and the help: "ctrl+d" -> "^d", "question_mark" -> "?"."""
    written = spell_key(key)
    return f"^{written.removeprefix('ctrl+')}" if written.startswith("ctrl+") else written


def spell_key(key: str) -> str:
    """Formats a key for a sentence: "ctrl+right_square_bracket" -> "ctrl+]", "escape" -> "esc"."""
    head, plus, name = key.rpartition("+")
    return f"{head}{plus}{_SHORT.get(name) or _SYMBOLS.get(name, name)}"


def _parse_name(name: str) -> str | None:
    if len(name) == 1:
        return _character_to_key(name) if name.isprintable() and not name.isspace() else None
    lower = name.lower()
    lower = _SPELLINGS.get(lower, lower)
    if lower in _NAMED or lower in _SYMBOLS:
        return lower
    character = key_to_character(lower) if "+" not in lower else None
    return lower if character is not None and character.isprintable() and not character.isspace() else None
