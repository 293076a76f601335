"""The facets that belong to an account: SSH keys, projects and users, and the platform's API as raw HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from flow_core.models.identity import Project, SshKey, User


class SshKeyFacet(Protocol):
    """The keys that a platform puts on its instances."""

    async def list(self, project_id: str | None = None) -> tuple[SshKey, ...]:
        """Returns the keys of a project, or of the configured project. Calling it again is safe."""

    async def create(self, name: str, public_key: str) -> SshKey:
        """Registers a public key. Two calls register two keys. Raises ConfigError, Conflict."""

    async def delete(self, key_id: str) -> bool:
        """Deletes a key; returns False if it doesn't exist. Calling it again is safe.

        Raises Conflict while it is in use.
        """

    async def ensure_default(self) -> str | None:
        """Returns the id of a key whose private key is on this machine; None if there is none.

        Registers the key if needed. Calling it again is safe.
        """

    def describe_create(self, name: str) -> str:
        """Returns the exact call or command. Makes no request."""

    def describe_delete(self, key_id: str) -> str:
        """Returns the exact call or command. Makes no request."""

    def describe_ensure_default(self) -> str:
        """Returns the exact call or command for the case that a key has to be registered. Makes no request."""


class IdentityFacet(Protocol):
    """Projects and users."""

    async def projects(self) -> tuple[Project, ...]:
        """Returns the projects that the current credentials may use. Calling it again is safe."""

    async def user(self, user_id: str) -> User | None:
        """Returns a user by id; None if the id is unknown. Calling it again is safe."""

    async def teammates(self, user_id: str) -> tuple[User, ...]:
        """Returns the users who share a project with this user. Calling it again is safe."""

    async def own_keys(self, project_id: str | None = None) -> tuple[SshKey, ...]:
        """Returns the public keys with which this user can log in, optionally of one project.

        Calling it again is safe.
        """


class HttpFacet(Protocol):
    """The API of the platform, without models."""

    async def get(self, path: str) -> Any:
        """Returns the JSON at a path. Calling it again is safe.

        Raises NotFound, AuthError, Unreachable, ProviderError.
        """


class PlatformAccount(Protocol):
    """An account with a platform. The caller that opens it closes it."""

    @property
    def ssh_keys(self) -> SshKeyFacet:
        """The keys of its project."""

    async def close(self) -> None:
        """Closes the connections. Calling it again is safe."""


@dataclass(frozen=True, slots=True)
class Platform:
    """The part of a provider's platform that contexts of other providers may use.

    `open_from_environment` opens the account of the credentials in the environment; None if it has none. It opens no
    connection, and raises ConfigError. `hint` tells the user how to provide such credentials. `find_user` fetches a
    user over raw HTTP; None if the user is unknown.
    """

    open_from_environment: Callable[[], PlatformAccount | None]
    hint: str
    find_user: Callable[[HttpFacet, str], Awaitable[User | None]]
