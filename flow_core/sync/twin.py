"""Blocking classes over their async twins: each call runs on the private event loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from flow_core.sync.loop_thread import run_sync

AsyncT = TypeVar("AsyncT")
MethodT = TypeVar("MethodT", bound=Callable[..., Any])
P = ParamSpec("P")
T = TypeVar("T")


class BlockingTwin(Generic[AsyncT]):
    """An object with the methods of an async one, for code without an event loop. Any thread may call it."""

    def __init__(self, twin: AsyncT) -> None:
        self._twin = twin


def make_blocking(method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]) -> Callable[Concatenate[Any, P], T]:
    """Returns a method that runs `method` of `self._twin` to its end: same parameters, same docstring."""

    @wraps(method)
    def call(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return run_sync(method(self._twin, *args, **kwargs))

    return call


def copy_docstring(twin: Any) -> Callable[[MethodT], MethodT]:
    """Returns a decorator that gives a method the docstring of `twin`."""

    def document(method: MethodT) -> MethodT:
        method.__doc__ = twin.__doc__
        return method

    return document
