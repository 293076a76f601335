"""A module that is loaded when it is first used."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # true for type checkers; importing typing would take longer than the whole module
if TYPE_CHECKING:
    from typing import Any


class LazyModule:
    """A placeholder for a module that is loaded when it is first used. For type checkers, import the module itself."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(import_module(self._name), attribute)
