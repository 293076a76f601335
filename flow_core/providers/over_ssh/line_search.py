"""Finds lines of a log on a host with awk, for hosts without the agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core.errors import ProviderError
from flow_core.logs.search.stored_lines import LineRequest, StoredLine, StoredLines
from flow_core.ssh.quoting import quote_word

if TYPE_CHECKING:
    from flow_core.providers.over_ssh.task_nodes import LogFile

SEARCH_S = 60.0
_LINE_BYTES = 16384
_ALL_BYTES = 1 << 20
# Offsets count bytes: LC_ALL=C. The text comes from the environment, where awk interprets no backslashes.
_PROGRAM = r"""
function show(kind, number, at, line) {
    line = substr(line, 1, line_bytes)
    written += length(line)
    printf "%s %.0f %.0f %s\n", kind, number, at, line
}
BEGIN { text = ENVIRON["flow_text"]; at = start; left = 0; from = 0 }
{
    seen = $0
    if (index(seen, "\033")) gsub(/\033\[[0-9;:]*m/, "", seen)
    if (fold) seen = tolower(seen)
    searched = at
    if (index(seen, text)) {
        if (found == limit || written > all_bytes) { cut = 1; exit }
        for (n = NR - context > from ? NR - context : from; n < NR; n++)
            if (n in kept) show("C", n, offsets[n], kept[n])
        show("M", NR, at, $0)
        found++; left = context; from = NR + 1
    } else if (left > 0) {
        show("C", NR, at, $0)
        left--; from = NR + 1
    } else if (context > 0) {
        kept[NR] = $0; offsets[NR] = at
        delete kept[NR - context]; delete offsets[NR - context]
    }
    at += length($0) + 1
}
END { printf "E %d %.0f\n", cut, searched }
"""


async def find_lines(file: LogFile, request: LineRequest) -> StoredLines:
    """Finds lines in a file. Raises ProviderError, Unreachable after 60 s."""
    settings = {
        "start": request.start,
        "limit": request.limit,
        "context": request.context,
        "fold": int(request.ignores_case),
        "line_bytes": _LINE_BYTES,
        "all_bytes": _ALL_BYTES,
    }
    words = " ".join(f"-v {name}={value}" for name, value in settings.items())
    text = quote_word(request.text.decode("utf-8"))
    line = (
        f"export LC_ALL=C; tail -c +{request.start + 1} -- {quote_word(file.path)}"
        f" | flow_text={text} awk {words} {quote_word(_PROGRAM)}"
    )
    result = await file.host.run(line, timeout_s=SEARCH_S)
    *lines, end = result.stdout.rstrip(b"\n").split(b"\n")
    if result.exit_code or not end.startswith(b"E "):
        raise ProviderError(f"the log on {file.host.title} could not be searched with awk")
    _, is_cut, searched = end.split()
    return StoredLines(tuple(_parse(line) for line in lines), int(searched) or request.start, is_cut == b"1")


def _parse(line: bytes) -> StoredLine:
    kind, number, offset, raw = line.split(b" ", 3)
    return StoredLine(int(number), int(offset), raw, kind == b"M")
