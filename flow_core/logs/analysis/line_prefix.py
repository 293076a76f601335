"""Finds what launchers and loggers write in front of each line: the rank or process, the time, the logger's header."""

from __future__ import annotations

import re
from typing import NamedTuple

LIMIT = 400
"""A prefix ends within this many characters."""
_MOST_PARTS = 6

_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
_SOURCES = (
    r"\[(?:rank|RANK |default|trainer|worker)(?P<torch_rank>\d{1,6})\]:? ?",
    r"\[\d+,(?P<mpi_rank>\d{1,6})\](?:<std(?:out|err)>)?: ?",
    r"\((?:[\w.:<>-]+ )?(?:rank=(?P<ray_rank>\d{1,6}) )?pid=\d+(?:, ip=[\w.:]+)?\)(?: |$)",
    r"\((?:raylet|gcs_server)\) ",
    r" {0,5}(?P<srun_rank>\d{1,5}): (?=\S|  )",
    r"std(?:err|out): ?",
    r"[A-Za-z][\w.-]*+(?<=\d) {1,40}\| ",  # docker compose
    r"[0-9a-f]{8} \|\| ?",
    r"(?:[A-Za-z0-9][\w.-]*+ )?(?:[\w./@-]++\[\d+\]|kernel): ",  # journald
)
SOURCE_PATTERN = "|".join(_SOURCES)
_TIMES = (
    rf"\[?\d{{4}}-\d\d-\d\d[T ]{_CLOCK}(?:Z|[+-]\d\d:?\d\d)?(?:(?: [A-Z]{{2}}\d+){{0,4}}\] ?| |$)",
    r"\[ *\d+\.\d+\] ",  # seconds since the boot
    rf"\[(?:[A-Z][a-z]{{2}} )?[A-Z][a-z]{{2}} +\d{{1,2}} {_CLOCK} \d{{4}}\] ",
    rf"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +\d{{1,2}} {_CLOCK} ",
)
_LOGGERS = (
    rf"\[?[IWEFD]\d{{3,4}} {_CLOCK} +(?:\d+ )?[^\s\]]+:\d+\] ?",  # absl, glog, PyTorch
    rf"(?:DEBUG|INFO|WARNING|ERROR|CRITICAL) \d\d-\d\d {_CLOCK} (?:\[[^\]]*\]|[\w./]+:\d+\]) ?",  # vLLM
    rf"\[\d{{4}}-\d\d-\d\d {_CLOCK} (?P<ray_letter>[IWECFD]) \d+ \d+\] ?",
    rf"\d{{4}}-\d\d-\d\d {_CLOCK}: (?P<tensorflow_letter>[IWEF]) [\w./]+:\d+\] ?",
    r"\[(?P<old_torch_letter>[IWEF]) [\w.]+:\d+\] ?",
    r"\[NeMo (?P<nemo_letter>[IWED]) [^\]]*\] ?",
)
_PART = re.compile(rf"(?P<logger>{'|'.join(_LOGGERS)})|(?P<time>{'|'.join(_TIMES)})|(?P<source>{SOURCE_PATTERN})")
_PLAIN = re.compile(r"[^\[(|:]{50}")
"""The beginning of many lines without a prefix; to find this out is three times as fast as to try every prefix."""
_RANKS = tuple(name for name in _PART.groupindex if name.endswith("_rank"))
_LETTERS = tuple(name for name in _PART.groupindex if name.endswith("_letter"))


class LinePrefix(NamedTuple):
    """The beginning of a line that names its writer.

    `source` is the same for all lines of one process; it contains no times. `rank` is None if the prefix names none.
    `level_letter` is I, W, E, F, D or C if a logger's header has the level. The message begins at the index `end`.
    """

    source: str = ""
    rank: int | None = None
    level_letter: str = ""
    end: int = 0


_NO_PREFIX = LinePrefix()


def split_prefix(text: str) -> LinePrefix:
    """Finds the prefix of a line. Takes about 1 us."""
    if _PLAIN.match(text) or (part := _PART.match(text, 0, LIMIT)) is None:
        return _NO_PREFIX
    source, rank, letter, end = "", None, "", 0
    for _ in range(_MOST_PARTS):
        end = part.end()
        if part.lastgroup == "source":
            source += part["source"]
            rank = next((int(part[name]) for name in _RANKS if part[name]), rank)
        elif part.lastgroup == "logger":
            letter = _find_letter(part)
        part = _PART.match(text, end, LIMIT)
        if part is None:
            break
    return LinePrefix(source, rank, letter, end)


def _find_letter(part: re.Match[str]) -> str:
    letter = next((part[name] for name in _LETTERS if part[name]), "")
    return letter or part["logger"].lstrip("[")[0]
