"""Copies docstrings from async methods to their blocking twins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])


def copy_docstring(twin: Any) -> Callable[[Method], Method]:
    """Returns a decorator that gives a method the docstring of `twin`."""

    def document(method: Method) -> Method:
        method.__doc__ = twin.__doc__
        return method

    return document
