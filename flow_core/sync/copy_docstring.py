"""What a call means is said once, where it is written: at its async twin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])


def copy_docstring(twin: Any) -> Callable[[Method], Method]:
    """Gives a method the docstring of its twin."""

    def document(method: Method) -> Method:
        method.__doc__ = twin.__doc__
        return method

    return document
