"""The facets that belong to an account: SSH keys, projects and people, and the platform's API as raw HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from flow_core.models.identity import Project, SshKey, User


class SshKeyFacet(Protocol):
    """The keys that a platform puts on its instances."""

    async def list(self, project_id: str | None = None) -> tuple[SshKey, ...]:
        """Keys of a project, or of the configured one. Twice is safe."""

    async def create(self, name: str, public_key: str) -> SshKey:
        """Registers a public key. Not safe twice. Raises ConfigError, Conflict."""

    async def delete(self, key_id: str) -> bool:
        """Deletes a key; False where there is no such key. Twice is safe. Raises Conflict while it is in use."""

    async def ensure_default(self) -> str | None:
        """The id of a key whose private half is on this machine, registered now if needed; None without any.

        Twice is safe.
        """

    def describe_create(self, name: str) -> str:
        """The exact call or command. At once."""

    def describe_delete(self, key_id: str) -> str:
        """The exact call or command. At once."""

    def describe_ensure_default(self) -> str:
        """The exact call or command, in case a key has to be registered. At once."""


class IdentityFacet(Protocol):
    """Projects and people."""

    async def projects(self) -> tuple[Project, ...]:
        """The projects that the current credentials may use. Twice is safe."""

    async def user(self, user_id: str) -> User | None:
        """A user by id; None for an unknown one. Twice is safe."""

    async def teammates(self, user_id: str) -> tuple[User, ...]:
        """The users who share a project with this user. Twice is safe."""

    async def own_keys(self, project_id: str | None = None) -> tuple[SshKey, ...]:
        """The public keys that let this user in, optionally of one project. Twice is safe."""


class HttpFacet(Protocol):
    """The API of the platform, without a model in between."""

    async def get(self, path: str) -> Any:
        """The JSON at a path. Twice is safe. Raises NotFound, AuthError, Unreachable, ProviderError."""


class PlatformAccount(Protocol):
    """An account with a platform. Whoever opened it closes it."""

    @property
    def ssh_keys(self) -> SshKeyFacet:
        """The keys of its project."""

    async def close(self) -> None:
        """Lets go of the connections. Twice is safe."""


@dataclass(frozen=True, slots=True)
class Platform:
    """What a provider's platform offers to contexts of other providers.

    `open_from_environment` opens the account that the environment holds credentials for; None without any. It opens no
    connection, and raises ConfigError. `hint` says in words how to give such credentials. `find_user` looks a user up
    over raw HTTP; None for somebody unknown.
    """

    open_from_environment: Callable[[], PlatformAccount | None]
    hint: str
    find_user: Callable[[HttpFacet, str], Awaitable[User | None]]
