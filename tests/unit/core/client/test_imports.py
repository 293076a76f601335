"""How the client's modules depend on one another and on providers. Imports for types and in functions count too."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import flow_core
from flow_core.providers import PROVIDERS

ROOT = Path(flow_core.__file__).parent.parent
FILES = {
    ".".join(file.relative_to(ROOT).with_suffix("").parts): file
    for package in ("client", "sync")
    for file in (ROOT / "flow_core" / package).glob("*.py")
    if file.name != "__init__.py"
}


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_the_modules_import_one_another_in_one_direction() -> None:
    order = TopologicalSorter({module: set(imported(file)) & set(FILES) for module, file in FILES.items()})
    assert set(order.static_order()) == set(FILES)  # raises CycleError with the modules of a cycle


def test_no_module_knows_a_single_provider() -> None:
    own = tuple(f"flow_core.providers.{name}" for name in PROVIDERS)
    known = {module: name for module, file in FILES.items() for name in imported(file) if name.startswith(own)}
    assert known == {}
