"""Finds the level of a line in the formats of the loggers and programs of this field."""

from __future__ import annotations

import re
from enum import StrEnum
from itertools import islice

from flow_core.logs.analysis.line_prefix import LIMIT, split_prefix


class LogLevel(StrEnum):
    """How serious a line is."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    DEBUG = "debug"

    @property
    def is_error(self) -> bool:
        return self in (LogLevel.ERROR, LogLevel.CRITICAL)


_NAMES = {
    LogLevel.CRITICAL: "critical crit fatal panic emerg emergency alert 60 f c",
    LogLevel.ERROR: "error err severe failure 50 e",
    LogLevel.WARNING: "warning warn 40 w",
    LogLevel.INFO: "info information notice success 30 i",
    LogLevel.DEBUG: "debug trace verbose 10 20 d",
}
_BY_NAME = {name: level for level, names in _NAMES.items() for name in names.split()}

_WORD = re.compile(
    r"(?:CRIT(?:ICAL)?|ERR(?:OR)?|FATAL|SEVERE|PANIC|WARN(?:ING)?|NOTICE|INFO|SUCCESS|DEBUG|TRACE"
    r"|\[(?:[EWIDF]|crit|fatal|error|err|warn|warning|notice|info|debug|trace)(?=\]))(?![\w./='\",]|-\w| ?=)"
)
"""What is a level if it stands in the header of a line. Alternatives that begin with a letter are searched fast."""
_MOST_WORDS = 3
_BEFORE_NO_LEVEL = frozenset("_./='\"-")
_HEADER = re.compile(
    r"(?:[\[(<][^\[\]()<>]{0,120}+[\])>]|\d[\w.:,/+-]*+|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|UTC)\b|[\s\[\]()<>|:#*-])*+"
    r"(?:[A-Za-z_][\w./-]*+[\s\[\]()<>|:#*-]++){0,2}"
)
"""What may stand before the level: times and brackets, and then the names of a host, a module or a thread."""
_NAMES_WITH_COLONS = re.compile(r"(?:[A-Za-z_][\w./-]*+ ?[:|-] ?){1,2}")
_TIME_OR_BRACKET = re.compile(r"\d[:/T-]\d|[\[(<]")
_KEY = re.compile(r"(?:^|[\s,{\"'.])(?:log[._]?)?(?:[Ll]evel(?:name)?|lvl|[Ss]everity)[\"']?[:=][ \"']{0,2}(\w+)")

_PROGRAMS = r"(?:[\w./+-]+(?:\[\d+\])?(?::\d+)*: ){0,3}"
_NO_NUMBER = r"(?! ?[-+.]?(?:\d|nan\b|inf\b))"  # `error: 1` is a metric
_NO_METRIC = r"(?! ?[-+]?(?:\d*\.\d+(?:e[-+]?\d+)?|nan|inf)(?:$|[,;|]|  ))"  # so is `MeanSquaredError: 0.1`
_SIGNALS = "Killed|Segmentation fault|Aborted|Bus error|Illegal instruction"
_PROGRAM_ERROR = re.compile(
    rf"{_PROGRAMS}(?:fatal )?(?P<word>[Ee]rror|[Ff]atal|[Pp]anic|[Ww]arning)(?:\[\w+\])?:(?= ){_NO_NUMBER}"
    rf"|{_PROGRAMS}[\w.]*(?P<type>Error|Exception|ExceptionGroup|Warning)(?::|$){_NO_METRIC}"
)
_AT_START = re.compile(
    r"(?P<critical>Fatal Python error|Segmentation fault|terminate called|thread '[^']*' panicked|Kernel panic"
    r"|\*\*\* (?:SIG|Aborted|Error in|stack smashing)|Caught signal \d+)"
    rf"|(?:\S+ )?Traceback \(most recent call last\)|(?:{_SIGNALS})(?: \(core dumped\))?$"
    rf"|\S+ line \d+: +\d+ (?:{_SIGNALS})|Exception (?:in thread|raised from)|NVRM: Xid|oom-kill:"
    r"|(?:Memory cgroup out|Out) of memory: Killed|\S+ segfault at|make(?:\[\d+\])?: \*\*\* |npm (?:ERR!|error)"
    r"|Error response from daemon|E {3,}[A-Za-z]|(?:\w+\.)*(?:KeyboardInterrupt|SystemExit|TimeoutExpired)(?::|$)"
)
_ENDINGS = (
    "Traceback (most recent call last):",
    ": command not found",
    "No such file or directory",
    "Permission denied",
)


def find_level(text: str) -> LogLevel | None:
    """Returns the level of a line, or None if it is unknown. Takes 1 to 3 us; reads only the first 400 characters."""
    head = text[:LIMIT]
    found = _WORD.search(head)
    if found is not None and _is_header(head[: found.start()], False):
        return _level_of(found)
    prefix = split_prefix(text)
    if prefix.level_letter:
        return _BY_NAME[prefix.level_letter.lower()]
    if head.startswith("{", prefix.end):
        return _find_key(head, has_numbers=True)
    return (
        (_find_word(head, prefix.end, found) if found is not None else None)
        or _find_at_start(head, prefix.end)
        or (_find_key(head, has_numbers=False) if "evel" in head or "everity" in head or "lvl" in head else None)
        or (LogLevel.ERROR if text.endswith(_ENDINGS) else None)
    )


def parse_level(name: str) -> LogLevel | None:
    """Returns the level that a logger calls `name`, in any case; a number is a level of pino and bunyan."""
    return _BY_NAME.get(name.lower())


def _find_word(head: str, start: int, found: re.Match[str] | None) -> LogLevel | None:
    for _ in range(_MOST_WORDS):
        if found is None:
            return None
        if found.start() >= start and _is_header(head[start : found.start()], start > 0):
            return _level_of(found)
        found = _WORD.search(head, found.end())
    return None


def _is_header(before: str, has_prefix: bool) -> bool:
    """Whether the text before a word makes it the level of the line."""
    if not before or before.isspace():
        return True
    if before[-1].isalnum() or before[-1] in _BEFORE_NO_LEVEL:
        return False
    header = _HEADER.fullmatch(before)
    if header is not None and (has_prefix or _TIME_OR_BRACKET.search(before)):
        return True
    return before.endswith("NCCL ") or _NAMES_WITH_COLONS.fullmatch(before) is not None


def _level_of(found: re.Match[str]) -> LogLevel:
    return _BY_NAME[found[0].lstrip("[").lower()]


def _find_at_start(head: str, start: int) -> LogLevel | None:
    if found := _AT_START.match(head, start):
        return LogLevel.CRITICAL if found["critical"] else LogLevel.ERROR
    has_hint = "rror" in head or "xception" in head or "arning" in head or "anic: " in head or "atal: " in head
    if has_hint and (found := _PROGRAM_ERROR.match(head, start)):
        word = found["word"] or ("warning" if found["type"] == "Warning" else "error")
        return _BY_NAME[word.lower()]
    return None


def _find_key(head: str, *, has_numbers: bool) -> LogLevel | None:
    """Returns the level of a field such as `"level": "error"` or `level=error`."""
    for found in islice(_KEY.finditer(head), _MOST_WORDS):
        if not found[1].isdigit() or has_numbers:
            return parse_level(found[1]) if len(found[1]) > 1 else None
    return None
