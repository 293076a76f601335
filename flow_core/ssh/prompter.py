"""What may have to be asked of a person while a connection is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class HostKeyPrompt:
    """The key of a host nobody has vouched for. `seen_at` is its address and the way there; `saved_in` is where a yes
    is written to, empty where the user's config keeps none. `context` is whose tasks need the host, where that is
    known."""

    host: str
    key_type: str
    fingerprint: str
    seen_at: str
    saved_in: str
    context: str = ""


@dataclass(frozen=True, slots=True)
class SecretPrompt:
    """Something that only the user knows. `prompt` was written by the far side, for a "code"; show it as text.

    `attempt` counts from 1: the second one means that the first answer was wrong; for a "code" it may as well be the
    next thing that the host wants to know. `context` is as above. `banner` is what the host has shown before, in its
    own words; it may hold a link to follow.
    """

    host: str
    kind: Literal["passphrase", "password", "code"]
    prompt: str
    is_secret: bool = True
    attempt: int = 1
    context: str = ""
    banner: str = ""


@dataclass(frozen=True, slots=True)
class LoginProgress:
    """Something for which a host takes its time. `what` says what the program waits for. `banner` and `context` are as
    above."""

    host: str
    what: str
    banner: str = ""
    context: str = ""


class Prompter(Protocol):
    """Whoever sits in front of it. The deadline of a connection stands still while they think."""

    async def confirm_host_key(self, prompt: HostKeyPrompt) -> bool:
        """Whether that is the key of that host. It is remembered."""

    async def ask_secret(self, prompt: SecretPrompt) -> str | None:
        """The answer, never kept; None gives up."""

    async def show_login_progress(self, progress: LoginProgress) -> None:
        """Shows what the program waits for, until it is cancelled. Returns once the person wants to wait no longer."""
