"""The contract's facets that belong to an account: reservations, SSH keys, identity, and how a provider is set up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from flow_core.models.identity import Project, SshKey, User
    from flow_core.models.reservation import Reservation, ReservationQuote
    from flow_core.models.reservation_spec import ReservationSpec


class ReservationFacet(Protocol):
    """Capacity held for some hours."""

    async def quote(self, spec: ReservationSpec) -> ReservationQuote | None:
        """What it would cost, None where nothing is billed. Twice is safe. Raises ConfigError."""

    async def create(self, spec: ReservationSpec, quote: ReservationQuote | None = None) -> Reservation:
        """Holds capacity. Not safe twice. Raises ConfigError, CapacityError that says what is free, and Conflict where
        it costs more by now than was quoted."""

    async def list(self, params: Mapping[str, Any]) -> tuple[Reservation, ...]:
        """Newest first. `params` may hold status, instance_type, region. Twice is safe."""

    async def get(self, reservation_id: str) -> Reservation:
        """As it is now. Raises NotFound."""

    async def availability(self, params: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
        """Slots {"start_time", "end_time" (ISO 8601, UTC), "quantity"}, earliest first.

        `params`: instance_type, region, quantity, earliest_start_time, latest_end_time (ISO text or datetime).
        Raises ConfigError.
        """

    async def release(self, reservation_id: str) -> None:
        """Gives it back, now. Twice is safe. What runs on it goes on. Raises NotFound."""

    def describe_create(self, spec: ReservationSpec, quote: ReservationQuote | None = None) -> str:
        """The exact call or command. At once."""

    def describe_release(self, reservation_id: str) -> str:
        """The exact call or command. At once."""


class SshKeyFacet(Protocol):
    """The keys that a platform puts on its instances."""

    async def list(self, project_id: str | None = None) -> tuple[SshKey, ...]:
        """Keys of a project, or of the configured one. Twice is safe."""

    async def create(self, name: str, public_key: str) -> SshKey:
        """Registers a public key. Raises ConfigError, Conflict."""

    async def delete(self, key_id: str) -> bool:
        """False when there is no such key. Raises Conflict while it is in use."""

    async def ensure_default(self) -> str | None:
        """The id of a key whose private half is on this machine, registered now if need be; None without any."""

    def describe_create(self, name: str) -> str:
        """The exact call or command. At once."""

    def describe_delete(self, key_id: str) -> str:
        """The exact call or command. At once."""

    def describe_ensure_default(self) -> str:
        """The exact call or command, should one be needed. At once."""


class IdentityFacet(Protocol):
    """Who works here."""

    async def projects(self) -> tuple[Project, ...]:
        """What the current credentials may use. Twice is safe."""

    async def user(self, user_id: str) -> User | None:
        """None for somebody unknown."""

    async def teammates(self, user_id: str) -> tuple[User, ...]:
        """Those who share projects with this user."""

    async def own_keys(self, project_id: str | None = None) -> tuple[SshKey, ...]:
        """The public keys that this user would be let in with, optionally of one project."""


class HttpFacet(Protocol):
    """The API of a platform, as raw HTTP."""

    async def get(self, path: str) -> Any:
        """Returns the JSON at a path. Twice is safe. Raises NotFound, AuthError, Unreachable, ProviderError."""


class PlatformAccount(Protocol):
    """An account with a platform. Whoever opened it closes it."""

    @property
    def ssh_keys(self) -> SshKeyFacet:
        """The keys of its project."""

    async def close(self) -> None:
        """Closes the connections. Twice is safe."""


@dataclass(frozen=True, slots=True)
class Platform:
    """What a provider's platform offers to contexts of other providers.

    `open_from_environment` opens the account that the environment has credentials for; None without any. It opens no
    connection, and raises ConfigError. `hint` says how to give such credentials. `find_user` looks a user up over raw
    HTTP; None for an unknown one.
    """

    open_from_environment: Callable[[], PlatformAccount | None]
    hint: str
    find_user: Callable[[HttpFacet, str], Awaitable[User | None]]


@dataclass(frozen=True, slots=True)
class ConfigField:
    """A setting of a provider, for a form or a wizard. The value of a secret one is never shown."""

    name: str
    description: str
    is_secret: bool = False
    is_required: bool = False
    default: str | None = None
    environment: str | None = None


class IProviderInit(Protocol):
    """What there is to set up before a provider can be used. The name is the reference's."""

    def config_fields(self) -> tuple[ConfigField, ...]:
        """The settings of a context of this provider. At once."""

    def validate_config(self, settings: Mapping[str, Any]) -> tuple[str, ...]:
        """A sentence for each setting that can't be used. At once, without the network."""
