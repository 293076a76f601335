"""Removes from a text everything that looks like a secret. It hides too much rather than too little."""

from __future__ import annotations

import os
import re

HIDDEN = "[hidden]"

_SECRET_NAME = re.compile(r"key|token|secret|passw|passphrase|credential|cookie|auth", re.IGNORECASE)
_SHORTEST_VALUE = 5
_PRIVATE_KEY = re.compile(r"-----BEGIN [^-]*PRIVATE KEY-----.*?(?:-----END [^-]*PRIVATE KEY-----|\Z)", re.DOTALL)
_REJECTED_INPUT = re.compile(r"(input_value=).*?(?=, input_type=|\Z)", re.DOTALL)
_URL_LOGIN = re.compile(r"(://)[^/\s@]+@")
_AUTHORIZED = re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]+", re.IGNORECASE)
# The name of a secret and its value, but not the name of an exception, such as KeyError. The repeats are bounded,
# so that even a long message takes little time.
_NAMED_VALUE = re.compile(
    r"""((?:key|token|secret|passw|passphrase|credential|cookie|auth)(?!\w{0,40}(?:Error|Exception))[\w.-]{0,40}
        ["']?\s{0,4}[=:]\s{0,4})
        (?:"[^"]*"|'[^']*'|[^\s,;&)}\]]+)""",
    re.IGNORECASE | re.VERBOSE,
)
_KNOWN_SHAPES = re.compile(
    r"""\b(?: [spr]k[-_][\w-]{4,} | fkey[-_]\w+ | gh[a-z]_\w+ | github_pat_\w+ | glpat-[\w-]+ | hf_\w+ | npm_\w+
            | pypi-[\w-]+ | xox[a-z]-[\w-]+ | A(?:KIA|SIA)[A-Z0-9]{8,} | AIza[\w-]+ | eyJ[\w-]{1,2000}\.[\w.-]+ )""",
    re.VERBOSE,
)
_LONG_WORD = re.compile(r"[A-Za-z0-9_+/=-]{24,}")


def redact(text: str, *, guess: bool = True) -> str:
    """Replaces secrets: known shapes, named values, and values of secret environment variables.

    `guess` also hides long words that mix letters and digits. Turn it off only for identifiers and paths that the
    program itself made or requested, which may contain such words.
    """
    for value in _secret_values():
        text = text.replace(value, HIDDEN)
    text = _PRIVATE_KEY.sub(HIDDEN, text)
    text = _REJECTED_INPUT.sub(rf"\1{HIDDEN}", text)
    text = _URL_LOGIN.sub(rf"\1{HIDDEN}@", text)
    text = _AUTHORIZED.sub(rf"\1 {HIDDEN}", text)
    text = _NAMED_VALUE.sub(rf"\1{HIDDEN}", text)
    text = _KNOWN_SHAPES.sub(HIDDEN, text)
    return _LONG_WORD.sub(_hide_if_random, text) if guess else text


def _secret_values() -> list[str]:
    """Returns the values of secret environment variables, the longest first, because one may contain another."""
    named = {value for name, value in os.environ.items() if _SECRET_NAME.search(name)}
    return sorted((value for value in named if len(value) >= _SHORTEST_VALUE), key=len, reverse=True)


def _hide_if_random(found: re.Match[str]) -> str:
    """Hides a word that looks random: long parts of paths and prose rarely mix letters and digits."""
    word = found[0]
    longest = max(word.split("/"), key=len) if word.count("/") > 1 else word
    mixed = any(map(str.isdigit, longest)) and any(map(str.isalpha, longest))
    return HIDDEN if mixed and len(longest) >= 20 else word
