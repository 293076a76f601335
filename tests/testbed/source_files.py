"""The Python files of the program, and what the rules of the project ask of each; a file is parsed once."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from testbed.places import ROOT

FILES = sorted(file for package in ("flow_core", "flow_tui") for file in (ROOT / package).rglob("*.py"))


class SourceFile(NamedTuple):
    """What is kept of a file; its syntax tree would take much memory."""

    imports: tuple[tuple[int, str], ...]
    """(line, dotted name) of everything that it imports, for types too; `from a import b` counts as a.b."""
    has_deferred_imports: bool
    """Whether a function of it imports something."""
    classes: tuple[str, ...]
    line_count: int


def read_source(file: Path, root: Path = ROOT) -> SourceFile:
    return _read_source(file, root)


@cache
def _read_source(file: Path, root: Path) -> SourceFile:
    text = file.read_text(encoding="utf-8")
    tree = ast.parse(text)
    statements = list(_find_statements(tree.body))
    return SourceFile(
        tuple(_find_imports(module_name(file, root), file.name == "__init__.py", [node for node, _ in statements])),
        any(in_function and isinstance(node, ast.Import | ast.ImportFrom) for node, in_function in statements),
        tuple(node.name for node in tree.body if isinstance(node, ast.ClassDef)),
        len(text.splitlines()),
    )


def module_name(file: Path, root: Path = ROOT) -> str:
    parts = file.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _find_statements(body: Iterable[ast.AST], in_function: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    """Every statement, and whether it is inside a function. To look at expressions too would take twice as long."""
    for node in body:
        yield node, in_function
        is_inside = in_function or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            yield from _find_statements(getattr(node, part, ()), is_inside)


def _find_imports(module: str, is_package: bool, statements: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
    package = module if is_package else module.rpartition(".")[0]
    for node in statements:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *filter(None, [base])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
