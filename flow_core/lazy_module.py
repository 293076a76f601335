"""A module that is loaded when it is first used."""

from __future__ import annotations

import sys
from importlib import import_module

from flow_core.errors import FlowError

TYPE_CHECKING = False  # true for type checkers; importing typing would take longer than the whole module
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

ENDING = "Python is ending; no call is possible any more"


class LazyModule:
    """A placeholder for a module that is loaded when it is first used. For type checkers, import the module itself.

    Raises FlowError if the first use is while Python exits and loads no modules any more.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._module: ModuleType | None = None

    def __getattr__(self, attribute: str) -> Any:
        if self._module is None:
            try:
                self._module = import_module(self._name)
            except ImportError:
                if sys.is_finalizing():
                    raise FlowError(ENDING) from None
                raise
        return getattr(self._module, attribute)
