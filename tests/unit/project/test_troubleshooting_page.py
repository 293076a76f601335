"""docs/troubleshooting.md quotes texts that the program really shows."""

from __future__ import annotations

import re

from testbed.places import ROOT
from testbed.source_files import FILES

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
SEAM = re.compile(r"""(["'])\s+[rf]{0,2}\1""")
"""Where Python joins two texts that stand side by side."""


def quoted_parts() -> list[str]:
    """The fixed parts of the quoted texts: those of first columns between the places for names and numbers."""
    cells = re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)
    parts = [part.strip(" ,;:x") for cell in cells for part in cell.split("…")]
    return [part for part in parts if len(part) > 3]


def test_every_quoted_text_is_in_the_code() -> None:
    code = "\n".join(SEAM.sub("", file.read_text(encoding="utf-8")) for file in FILES)
    parts = quoted_parts()
    assert len(parts) > 50
    assert [part for part in parts if part not in code] == []
