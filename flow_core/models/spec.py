"""What a person asks for: a task and the volumes it wants. Wrong input is refused by field name."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from flow_core.errors import ConfigError

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_VOLUME_NAME = re.compile(r"[a-z0-9][a-z0-9-]*[a-z0-9]")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RENAMED = {
    "gpu": "instance_type",
    "gpu_count": "instance_type",
    "gpu_memory_gb": "min_gpu_memory_gb",
    "environment": "env",
    "timeout": "max_run_time_hours",
    "mounts": "data_mounts",
}

Priority = Literal["low", "med", "high"]


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, allow_inf_nan=False)

    @classmethod
    def parse(cls, fields: Any, *, source: str | None = None) -> Self:
        """Builds one from plain data. Raises ConfigError with the field's name, never pydantic's own error."""
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise _as_config_error(error, source) from None


class VolumeSpec(_Spec):
    """A volume for one task: by id, or by name (made with `size_gb` when `create_if_missing`)."""

    name: str | None = None
    size_gb: int = Field(default=1, ge=1, le=16384)
    mount_path: str | None = None
    volume_id: str | None = None
    interface: Literal["block", "file"] = "block"
    create_if_missing: bool = False

    @field_validator("name")
    @classmethod
    def _name(cls, name: str | None) -> str | None:
        if name is not None and not (3 <= len(name) <= 64 and _VOLUME_NAME.fullmatch(name)):
            raise ValueError("must be 3 to 64 of a-z, 0-9 and -, starting and ending with a letter or digit")
        return name

    @field_validator("mount_path")
    @classmethod
    def _path(cls, path: str | None) -> str | None:
        return None if path is None else mount_target(path)

    @model_validator(mode="after")
    def _named_somehow(self) -> Self:
        if self.name is None and self.volume_id is None:
            raise ValueError("needs a name or a volume_id")
        return self

    @property
    def target(self) -> str:
        """Where the task finds it."""
        return self.mount_path or f"/volumes/{self.name or self.volume_id}"


class MountSpec(_Spec):
    """Data for a task: `source` is a local path, `volume://name` or `s3://bucket/key`."""

    source: str = Field(min_length=1)
    target: str
    mount_type: Literal["bind", "volume", "s3fs"] = "bind"
    options: dict[str, Any] = Field(default_factory=dict)

    @field_validator("target")
    @classmethod
    def _path(cls, path: str) -> str:
        return mount_target(path)


class TaskConfig(_Spec):
    """A task to run. `command` is a shell line or an argument list; durations are hours, prices USD per hour."""

    name: str = "flow-task"
    unique_name: bool = True
    command: str | list[Annotated[str, Field(min_length=1)]]
    instance_type: str | None = None
    min_gpu_memory_gb: int | None = Field(default=None, ge=1, le=640)
    env: dict[str, str] = Field(default_factory=dict)
    working_dir: str | None = None
    volumes: list[VolumeSpec] = Field(default_factory=list)
    data_mounts: list[MountSpec] = Field(default_factory=list)
    max_price_per_hour: float | None = Field(default=None, gt=0)
    max_run_time_hours: float | None = Field(default=None, ge=0, le=168)
    region: str | None = None
    num_instances: int = Field(default=1, ge=1, le=100)
    priority: Priority = "med"
    provider_options: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _known_names(cls, fields: Any) -> Any:
        if isinstance(fields, dict):
            for old, new in _RENAMED.items():
                if old in fields:
                    raise ValueError(f"{old!r} is now called {new!r}")
        return fields

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        if len(name) > 128 or not _NAME.fullmatch(name):
            raise ValueError("must be at most 128 of a-z, 0-9, '.', '_' and '-', starting with a letter or digit")
        return name

    @field_validator("command")
    @classmethod
    def _command(cls, command: str | list[str]) -> str | list[str]:
        if not command or (isinstance(command, str) and not command.strip()):
            raise ValueError("is empty; say what to run")
        if "\0" in "".join(command):
            raise ValueError("must not hold a NUL character")
        return command

    @field_validator("env")
    @classmethod
    def _env(cls, env: dict[str, str]) -> dict[str, str]:
        for name, value in env.items():
            if not _ENV_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no variable name")
            if "\0" in value:
                raise ValueError(f"the value of {name} must not hold a NUL character")
        return env

    @field_validator("max_run_time_hours")
    @classmethod
    def _no_limit(cls, hours: float | None) -> float | None:
        return hours or None

    @model_validator(mode="after")
    def _targets_apart(self) -> Self:
        targets = [volume.target for volume in self.volumes] + [mount.target for mount in self.data_mounts]
        for i, one in enumerate(targets):
            for other in targets[:i]:
                if _nested(one, other):
                    raise ValueError(f"mounts {other} and {one} clash; give each a path of its own")
        return self

    @property
    def command_line(self) -> str:
        """The command as one shell line."""
        if isinstance(self.command, str):
            return self.command
        import shlex

        return shlex.join(self.command)


def mount_target(path: str) -> str:
    """A mount path, checked: absolute, plain, and not the root."""
    pure = PurePosixPath("/", path.lstrip("/"))  # two leading slashes would stand for something else
    if not path.startswith("/") or ".." in pure.parts or pure == PurePosixPath("/"):
        raise ValueError(f"{path!r} must be an absolute path without '..', such as /data")
    if not path.isprintable():
        raise ValueError(f"{path!r} must not hold control characters")
    return str(pure)


def _nested(one: str, other: str) -> bool:
    return one == other or one.startswith(other + "/") or other.startswith(one + "/")


def _as_config_error(error: ValidationError, source: str | None) -> ConfigError:
    """The first complaint, as "field: what is wrong". Where a field may be of several types, the deepest one."""
    complaints = error.errors(include_url=False, include_input=False, include_context=False)
    of_same_field = [one for one in complaints if one["loc"][:1] == complaints[0]["loc"][:1]]
    first = max(of_same_field, key=lambda one: len(one["loc"]))
    field = ".".join(str(part) for part in first["loc"] if part not in ("str", "list[constrained-str]")) or None
    said = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        said = "is no field we know"
    return ConfigError(f"{field}: {said}" if field else said, field=field, source=source)
