"""The parts of a client: a resource as an attribute, and flat methods of the client that call the resource."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

ResourceT = TypeVar("ResourceT")
P = ParamSpec("P")
T = TypeVar("T")


class ClientPart(Generic[ResourceT]):
    """A resource as an attribute of a client. It has no state, so each access creates a new one.

    A resource that the client kept would keep the client alive until the garbage collector finds the cycle.
    """

    def __init__(self, make: Callable[[Any], ResourceT]) -> None:
        self._make = make

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...

    @overload
    def __get__(self, client: object, owner: type) -> ResourceT: ...

    def __get__(self, client: object | None, owner: type) -> Self | ResourceT:
        return self if client is None else self._make(client)

    def forward(self, method: Callable[Concatenate[ResourceT, P], T]) -> Callable[Concatenate[Any, P], T]:
        """Returns a method of the client that calls `method` of this resource: same parameters, same docstring."""

        @wraps(method)
        def call(client: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
            return method(self._make(client), *args, **kwargs)

        return call
