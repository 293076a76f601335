"""The parts of a client: a resource as an attribute, and flat methods of the client that call the resource."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, cast, overload

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

    def forward(self, find: Callable[[], Callable[Concatenate[ResourceT, P], T]]) -> Callable[Concatenate[Any, P], T]:
        """Returns a method of the client that calls a method of this resource: same parameters, same docstring.

        `find` returns the method of the resource. It is called at the first use, because it may load a module.
        """
        return cast("Callable[Concatenate[Any, P], T]", ForwardedMethod(lambda: self._bind(find())))

    def _bind(self, method: Callable[Concatenate[ResourceT, P], T]) -> Callable[Concatenate[Any, P], T]:
        @wraps(method)
        def call(client: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
            return method(self._make(client), *args, **kwargs)

        return call


class ForwardedMethod:
    """A method of a class that is created at its first use, and takes this object's place in the class then."""

    def __init__(self, make: Callable[[], Callable[..., Any]]) -> None:
        self._make = make

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner, self._name = owner, name

    def __get__(self, client: object | None, owner: type) -> Any:
        method = self._make()
        setattr(self._owner, self._name, method)
        return method if client is None else method.__get__(client, owner)
