"""Combines the redraws of one row that carriage returns separate."""

from __future__ import annotations

from collections.abc import Sequence

_BATCH = 4096


def fold_redraws(redraws: Sequence[str]) -> str:
    """Returns what is left when these texts are written one after the other from column 0.

    Their characters take one column each.
    """
    result = redraws[-1]
    position = len(redraws) - 1
    while position > 0:
        batch = redraws[max(0, position - _BATCH) : position]
        position -= len(batch)
        while max(map(len, batch)) > len(result):
            index = next(at for at in range(len(batch) - 1, -1, -1) if len(batch[at]) > len(result))
            result += batch[index][len(result) :]
    return result
