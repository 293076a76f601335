"""Users, projects and SSH keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flow_core.models.as_dict import as_dict


@dataclass(frozen=True, slots=True)
class User:
    """A user who has tasks. Unknown fields are empty."""

    user_id: str
    name: str = ""
    email: str = ""
    role: str = ""

    @property
    def id(self) -> str:
        return self.user_id

    @property
    def username(self) -> str:
        """The same as `name`."""
        return self.name

    def to_dict(self) -> dict[str, Any]:
        """Returns the user as plain data."""
        return as_dict(self)


@dataclass(frozen=True, slots=True)
class Project:
    """The owner of tasks and volumes."""

    project_id: str
    name: str

    def to_dict(self) -> dict[str, str]:
        """Returns {"id", "name"}, as in the SDK reference."""
        return {"id": self.project_id, "name": self.name}


@dataclass(frozen=True, slots=True)
class SshKey:
    """The public half of a key.

    `fingerprint` is "SHA256:…"; empty if unknown. `required` means that every launch gets the key.
    """

    key_id: str
    name: str
    public_key: str
    fingerprint: str = ""
    required: bool = False

    def to_dict(self) -> dict[str, str]:
        """Returns {"id", "name", "public_key", "fingerprint"}, and "required" only if it is true."""
        known = {"id": self.key_id, "name": self.name, "public_key": self.public_key, "fingerprint": self.fingerprint}
        return known | ({"required": "true"} if self.required else {})
