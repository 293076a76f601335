"""One regular expression for the lines of a log that deserve a closer look."""

from __future__ import annotations

_WORD_END = r"(?![\w./='\",]|-\w| ?=)"
_NAMES = r"(?:crit(?:ical)?|err(?:or)?|fatal|severe|failure|panic|emerg(?:ency)?|alert)"
_NO_NUMBER = r"(?! ?[-+.]?(?:\d|nan\b|inf\b))"
_NO_METRIC = r"(?! ?[-+]?(?:\d*\.\d+(?:e[-+]?\d+)?|nan|inf)(?:$|[,;|]|  ))"
_LEVEL_KEY = "(?:" + "|".join(rf"(?<={key}[:=])|(?<={key}[\"'][:=])" for key in ("evel", "erity", "lvl", "lname")) + ")"
_LEVEL_VALUE = rf"(?=[ \"']{{0,2}}(?:(?i:{_NAMES})\b|[56]0\b)){_LEVEL_KEY}"
_SIGNALS = ("Killed", "Aborted", "Bus error", "Illegal instruction")
_PREFIXED = "(?:" + "|".join(rf"(?<=^{word}:)|(?<=[\s\]:|-]{word}:)" for word in ("error", "fatal", "panic")) + ")"


def _upper(word: str) -> str:
    """A word may follow the end of a colour, `31m`, in the bytes of a log."""
    first = word[0]
    return rf"{first}(?:(?<![\w./='\"-]{first})|(?<=[\d\[]m{first})){word[1:]}{_WORD_END}"


# Every alternative begins with a character that is rare in logs, so Python skips quickly to the next candidate.
ERROR_PATTERN = "|".join(
    (
        _upper("CRIT(?:ICAL)?"),
        r"C(?:aught signal \d| \d+ \d+\])",
        _upper("ERR(?:OR)?"),
        rf"E(?:rror|xception(?:Group)?):{_NO_METRIC}",
        r"E(?:(?<! E)|(?<=[:)\]] E))(?:rror|xception(?:Group)?)$",
        r"E(?:\d{3,4} \d\d:\d\d:\d\d| [\w./]+:\d+\]| \d+ \d+\])",
        r"E(?:xception (?:in thread|raised from)|rror response from daemon|(?<=^E) {3,}[A-Za-z])",
        _upper("FATAL"),
        r"F(?:\d{3,4} \d\d:\d\d:\d\d| [\w./]+:\d+\]| \d+ \d+\]|atal Python error)",
        _upper("SEVERE"),
        r"S(?:egmentation fault|ystemExit(?::|$))",
        _upper("PANIC"),
        r"T(?:raceback \(most recent|imeoutExpired(?::|$))",
        r"K(?:eyboardInterrupt(?::|$)|ernel panic)",
        *(rf"{word}(?:(?: \(core dumped\))?$|(?<=\d {word}))" for word in _SIGNALS),
        r"N(?:VRM: Xid|eMo E \d|o such file or directory$)",
        r"Permission denied$",
        r"\*\*\* (?:SIG|Aborted|Error in|stack smashing|\[)",
        rf"\[(?:[EF]|{_NAMES})\]",
        rf":(?! ?[0-47-9])(?:{_LEVEL_VALUE}|(?<=[rlc]:)(?= ){_PREFIXED}{_NO_NUMBER}"
        r"|(?<=error\[E\d\d\d\d\]:)|(?<=oom-kill:)|(?<=of memory:) Killed| segfault at| command not found$)",
        rf"={_LEVEL_VALUE}",
    )
)
"""Use it with re.MULTILINE on text, or encoded on bytes, of any number of lines. Searches 100 MB/s of lines full
of times and dicts, and 300 MB/s of others.

A match lies in the line, but not at its beginning. It finds every line that find_level calls an error, apart from
`terminate called` and `thread panicked`, and a few more; find_level decides. Escape codes hide some lines.
"""
