"""Expands the file name patterns of sbatch's --output and --error."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

_DEFAULT, _ARRAY_DEFAULT = "slurm-%j.out", "slurm-%A_%a.out"
_SYMBOL = re.compile(r"%(?:(?P<percent>%)|(?P<width>\d*)(?P<letter>[AabJjNnstux])|\d*(?P<digit>\d))")
_BACKSLASH = re.compile(r"\\(\\?)")
_MAX_WIDTH = 10
_NO_INDEX = 0xFFFFFFFE
"""What Slurm writes for %a in the path of a job that is no element of an array."""


@dataclass(frozen=True, slots=True)
class PatternValues:
    """What the symbols stand for in the paths of one job. `node` is the short name of its first node.

    `array_index` is None for a job that is no element of an array; otherwise `array_id` is the id of the array.
    """

    job_id: str
    user: str = ""
    job_name: str = ""
    node: str = ""
    array_id: str = ""
    array_index: int | None = None


def expand_output_pattern(pattern: str, values: PatternValues, working_dir: str) -> str:
    """Returns the path that Slurm writes to: absolute if `working_dir` is. An empty pattern is Slurm's default.

    Symbols that differ between the ranks of a step are those of rank 0, whose output a batch script's is. A backslash
    turns all symbols off and is removed. Of an unknown symbol with a width, Slurm writes the last digit and the letter.
    """
    if not pattern:
        pattern = _DEFAULT if values.array_index is None else _ARRAY_DEFAULT
    if "\\" in pattern:
        expanded = _BACKSLASH.sub(r"\1", pattern)
    else:
        expanded = _SYMBOL.sub(lambda found: _expand(found, values), pattern)
    return posixpath.join(working_dir, expanded)


def _expand(found: re.Match[str], values: PatternValues) -> str:
    letter = found["letter"]
    if letter is None:
        return found["percent"] or found["digit"]
    texts = {"N": values.node, "s": "batch", "u": values.user, "x": values.job_name}
    if letter in texts:
        return texts[letter]
    index = _NO_INDEX if values.array_index is None else values.array_index
    numbers = {"A": values.array_id or values.job_id, "a": str(index), "b": str(index % 10), "n": "0", "t": "0"}
    return numbers.get(letter, values.job_id).zfill(min(int(found["width"] or 0), _MAX_WIDTH))
