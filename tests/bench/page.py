"""The table of docs/performance.md: the rows of the latest run of each part, between two marks.

Everything outside the marks is written by hand and stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from bench.table import Row

BEGIN = "<!-- `make bench` writes everything from here -->"
END = "<!-- to here -->"
HEAD = "| part | what | target | figure | met | date | made of |"
RULE = "| --- | --- | ---: | ---: | --- | --- | --- |"
_MACHINE = "Machine:"
_VERSIONS = "Versions in the latest run:"
_CELL = re.compile(r"(?<!\\)\|")


class MalformedPage(Exception):
    """The page can't be updated. The message is a sentence."""


@dataclass(frozen=True, slots=True)
class PageRow:
    """One row, as text."""

    part: str
    what: str
    target: str
    figure: str
    met: str
    date: str
    note: str

    @classmethod
    def of(cls, part: str, row: Row, date: str) -> PageRow:
        return cls(part, row.name, row.target, row.figure, "yes" if row.is_met else "**no**", date, row.note)

    @classmethod
    def parse(cls, line: str) -> PageRow:
        cells = [cell.strip().replace("\\|", "|") for cell in _CELL.split(line)]
        if len(cells) != 9 or cells[0] or cells[-1]:
            raise MalformedPage(f"this line is no row of the table: {line[:80]}")
        return cls(*cells[1:-1])

    def __str__(self) -> str:
        return make_line(astuple(self))


@dataclass(frozen=True, slots=True)
class Page:
    """The text before and after the table, and what is between. `machine` is "" as long as nothing was measured."""

    before: str
    after: str
    machine: str = ""
    versions: str = ""
    rows: tuple[PageRow, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Page:
        """Raises MalformedPage."""
        if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
            raise MalformedPage(f"the page must hold the line {BEGIN!r} once, and {END!r} once below it")
        before, rest = text.split(BEGIN)
        block, after = rest.split(END)
        machine = versions = ""
        rows = []
        for line in filter(None, (line.strip() for line in block.splitlines())):
            if line.startswith(_MACHINE):
                machine = line.removeprefix(_MACHINE).strip()
            elif line.startswith(_VERSIONS):
                versions = line.removeprefix(_VERSIONS).strip()
            elif line not in (HEAD, RULE):
                rows.append(PageRow.parse(line))
        return cls(before, after, machine, versions, tuple(rows))

    def with_part(self, part: str, rows: Iterable[Row], date: str, order: Sequence[str]) -> Page:
        """Replaces the rows of one part. `order` is that of the parts; rows of a part that isn't in it are removed."""
        kept = [row for row in self.rows if row.part != part and row.part in order]
        found = [*kept, *(PageRow.of(part, row, date) for row in rows)]
        return replace(self, rows=tuple(sorted(found, key=lambda row: order.index(row.part))))

    def measured_on(self, machine: str, versions: str, *, is_whole: bool) -> Page:
        """Names the machine and the versions of a run that begins.

        Figures of two machines are never mixed: a whole run on another machine begins a new table, and a run of some
        parts is refused with MalformedPage.
        """
        if self.machine in ("", machine):
            return replace(self, machine=machine, versions=versions)
        if not is_whole:
            raise MalformedPage("the page has figures of another machine, so only a run of all parts can replace them")
        return replace(self, machine=machine, versions=versions, rows=())

    def __str__(self) -> str:
        lines = [
            BEGIN,
            "",
            f"{_MACHINE} {self.machine}".strip(),
            "",
            f"{_VERSIONS} {self.versions}".strip(),
            "",
            HEAD,
            RULE,
        ]
        return self.before + "\n".join([*lines, *map(str, self.rows), "", END]) + self.after


def make_line(cells: Iterable[str]) -> str:
    """Returns a row of a table in Markdown."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def read_page(path: Path) -> Page:
    """Raises MalformedPage."""
    try:
        return Page.parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise MalformedPage(f"the page can't be read: {error}") from error


def write_page(path: Path, page: Page) -> None:
    """Replaces the page at once: an interrupted run leaves the last whole one."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(str(page), encoding="utf-8")
    fresh.replace(path)
