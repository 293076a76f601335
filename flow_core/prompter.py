"""The prompts that a login may need from the user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class HostKeyPrompt:
    """A host key that known_hosts does not list.

    `seen_at` is the host's address and route. `saved_in` is the file that stores an accepted key; empty if the config
    names none. `context` names the context that uses the host, if known.
    """

    host: str
    key_type: str
    fingerprint: str
    seen_at: str
    saved_in: str
    context: str = ""


@dataclass(frozen=True, slots=True)
class SecretPrompt:
    """A secret that only the user knows. For a "code" the remote side wrote `prompt`; show it as plain text.

    `attempt` counts from 1. From 2 on, the last answer was wrong; for a "code" it may also be the next prompt of the
    login. `context` is as in HostKeyPrompt. `banner` is the host's earlier message, in its own words; it may contain a
    link.
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
    """A step for which a host takes long. `what` names the step. `banner` and `context` are as in SecretPrompt."""

    host: str
    what: str
    banner: str = ""
    context: str = ""


class Prompter(Protocol):
    """The interface to the user. The deadline of a connection pauses while a prompt is open."""

    async def confirm_host_key(self, prompt: HostKeyPrompt) -> bool:
        """Returns whether the key belongs to the host. An accepted key is stored."""

    async def ask_secret(self, prompt: SecretPrompt) -> str | None:
        """Returns the answer, which is never stored; None gives up."""

    async def show_login_progress(self, progress: LoginProgress) -> None:
        """Shows the progress until it is cancelled. Returns when the user stops waiting."""
