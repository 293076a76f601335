"""Texts that a user reads use the project's terms, and none of the terms that these replaced."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from testbed.places import ROOT
from testbed.source_files import FILES

REPLACED = re.compile(
    r"action log|\bvouch|headroom|kept shell|made up when|never answered|come back at once|came back at once"
    r"|hang up meanwhile|nobody waits|GB makes it|where it starts|\bLoses\b|\bRuns:|From the provider|fault of its own"
    r"|dollars per hour|an hour and instance|is no setting|id in the config:|Turn the order|nothing is billed here"
)
SEAM = re.compile(r"""(["'])\s+[rf]{0,2}\1""")
"""Where Python joins two texts that stand side by side."""


def user_texts() -> Iterator[tuple[str, str]]:
    """Where a text stands, and the text: every line of the documentation, and texts in code that has such a term."""
    for file in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            yield f"{file.relative_to(ROOT)}:{number}", line
    for file in FILES:
        text = file.read_text(encoding="utf-8")
        if not REPLACED.search(SEAM.sub("", text)):
            continue  # to parse every file would take long
        nodes = list(ast.walk(ast.parse(text)))
        documentation = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        for node in nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
                yield f"{file.relative_to(ROOT)}:{node.lineno}", node.value


def test_no_text_uses_a_term_that_was_replaced() -> None:
    found = [f"{where}: {text}" for where, text in user_texts() if " " in text and REPLACED.search(text)]
    assert not found, "\n".join(found)
