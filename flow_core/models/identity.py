"""Who works where: users, projects, SSH keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flow_core.models.as_dict import as_dict


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who has tasks. What isn't known is empty."""

    user_id: str
    name: str = ""
    email: str = ""
    role: str = ""

    @property
    def id(self) -> str:
        return self.user_id

    @property
    def username(self) -> str:
        """Another word for `name`."""
        return self.name

    def to_dict(self) -> dict[str, Any]:
        """The user in plain data."""
        return as_dict(self)


@dataclass(frozen=True, slots=True)
class Project:
    """What tasks and volumes belong to."""

    project_id: str
    name: str

    def to_dict(self) -> dict[str, str]:
        """{"id", "name"}, as the reference has it."""
        return {"id": self.project_id, "name": self.name}


@dataclass(frozen=True, slots=True)
class SshKey:
    """The public half of a key. `fingerprint` is "SHA256:…", empty where nobody says; `required` means every launch."""

    key_id: str
    name: str
    public_key: str
    fingerprint: str = ""
    required: bool = False

    def to_dict(self) -> dict[str, str]:
        """{"id", "name", "public_key", "fingerprint"}, and "required" only when it is."""
        known = {"id": self.key_id, "name": self.name, "public_key": self.public_key, "fingerprint": self.fingerprint}
        return known | ({"required": "true"} if self.required else {})
