"""Expands Slurm's lists of nodes, such as gpu[01-03,7],login1, and of array indexes, such as 0-9:2,12%4."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

NODES_MAX = 10_000
INDEXES_MAX = 100_000
_PART = re.compile(r"(?:[^,\[\]]|\[[^\]]*\])+")
_BRACKETS = re.compile(r"\[([^\]]*)\]")
_RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?(?::(\d{1,9}))?")


@lru_cache(maxsize=1024)
def expand_hostlist(text: str) -> tuple[str, ...]:
    """Returns the names of a list of nodes in its order, at most 10,000; a part that is no list is one name."""
    names: list[str] = []
    for part in _PART.findall(text):
        for name in _expand_part(part):
            if len(names) >= NODES_MAX:
                return tuple(names)
            names.append(name)
    return tuple(names)


def _expand_part(part: str) -> Iterator[str]:
    """Yields the names of one part, which may have several brackets."""
    found = _BRACKETS.search(part)
    if found is None:
        yield part
        return
    prefix, rest = part[: found.start()], part[found.end() :]
    for number in _expand_numbers(found[1]):
        for ending in _expand_part(rest):
            yield f"{prefix}{number}{ending}"


def _expand_numbers(text: str) -> Iterator[str]:
    """Yields the numbers of a list; those of a range have as many digits as its first one."""
    for word in text.split(","):
        found = _RANGE.fullmatch(word)
        numbers = range(int(found[1]), int(found[2] or found[1]) + 1) if found and not found[3] else range(0)
        if found is None or not numbers:
            yield word
            continue
        for number in numbers:
            yield str(number).zfill(len(found[1]))


@lru_cache(maxsize=1024)
def expand_indexes(text: str) -> tuple[tuple[int, ...], int | None]:
    """Returns the indexes of an array, at most 100,000, and the number of elements that may run at once or None.

    `text` is as in --array, or in brackets. Ignores parts that can't be read, such as the dots of a list that was cut.
    """
    listed, _, limit = text.strip("[]").partition("%")
    indexes: list[int] = []
    for word in listed.split(","):
        found = _RANGE.fullmatch(word.strip())
        if found is not None:
            first = int(found[1])
            numbers = range(first, int(found[2] or first) + 1, int(found[3] or 1) or 1)
            indexes += numbers[: INDEXES_MAX - len(indexes)]
    unique = tuple(dict.fromkeys(indexes))
    return unique, int(limit) if limit.isdecimal() and len(limit) < 10 else None
