"""The requests for storage: the volumes of a task, and data mounted into it."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any, ClassVar, Literal, Self

from pydantic import AliasChoices, Field, field_validator, model_validator

from flow_core.models.json_object import PlainTable
from flow_core.models.strict_model import StrictModel
from flow_core.models.volume import Volume

_VOLUME_NAME = re.compile(r"[a-z0-9][a-z0-9-]*[a-z0-9]")

_MAX_SHOWN_CHARS = 80
_MAX_PATH_BYTES = 4095

_SYSTEM_PATHS = frozenset(
    {"/bin", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/run", "/sbin", "/sys"}
    | {"/usr", "/usr/bin", "/usr/lib", "/usr/lib64", "/usr/sbin"}
)

MountType = Literal["bind", "volume", "s3fs"]


class VolumeSpec(StrictModel):
    """A volume for one task: an existing one by `volume_id` or by `name`, or a new one.

    With a `size_gb` (in GB), a missing volume is created and stays after the task; `create_if_missing=False` prevents
    that. A Volume is accepted in its place.
    """

    RENAMED: ClassVar[dict[str, str]] = {"volume_name": "name", "size": "size_gb"}

    name: str | None = None
    size_gb: int = Field(default=1, ge=1, le=16384)
    mount_path: str | None = Field(default=None, validation_alias=AliasChoices("mount_path", "target"))
    volume_id: str | None = None
    interface: Literal["block", "file"] = "block"
    iops: int | None = Field(default=None, ge=100, le=64000)
    throughput_mb_s: int | None = Field(default=None, ge=125, le=1000)
    create_if_missing: bool = False

    @model_validator(mode="before")
    @classmethod
    def _set_create_if_missing(cls, fields: Any) -> Any:
        if isinstance(fields, Volume):
            return {"volume_id": fields.volume_id, "mount_path": f"/volumes/{fields.name or fields.volume_id}"}
        if isinstance(fields, dict) and {"size_gb", "size"} & fields.keys() and not fields.get("volume_id"):
            return {"create_if_missing": True} | fields
        return fields

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str | None) -> str | None:
        if name is not None and not is_volume_name(name):
            raise ValueError("must be 3 to 64 of a-z, 0-9 and -, starting and ending with a letter or digit")
        return name

    @field_validator("volume_id")
    @classmethod
    def _check_volume_id(cls, volume_id: str | None) -> str | None:
        if volume_id is not None and (not volume_id or not volume_id.isprintable() or " " in volume_id):
            raise ValueError("must not be empty or hold blanks or control characters")
        return volume_id

    @field_validator("mount_path")
    @classmethod
    def _check_path(cls, path: str | None) -> str | None:
        return None if path is None else check_mount_target(path)

    @model_validator(mode="after")
    def _check_identity(self) -> Self:
        if self.name is None and self.volume_id is None and not self.create_if_missing:
            raise ValueError("needs a name, a volume_id, or a size_gb to make a new one")
        if self.volume_id is not None and (self.iops is not None or self.throughput_mb_s is not None):
            raise ValueError("iops and throughput_mb_s are for a new volume, not for one given by volume_id")
        return self

    @property
    def target(self) -> str:
        """The mount path in the task."""
        return self.mount_path or f"/volumes/{self.name or self.volume_id or 'data'}"


class MountSpec(StrictModel):
    """Data for a task. `source` is a local path, `volume://name` or `s3://bucket/key`; it determines the type."""

    source: str = Field(min_length=1)
    target: str
    mount_type: MountType = "bind"
    options: PlainTable = Field(default_factory=dict)
    cache_key: str | None = None
    size_estimate_gb: float | None = Field(default=None, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _set_mount_type(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and isinstance(fields.get("source"), str):
            return {"mount_type": find_mount_type(fields["source"])} | fields
        return fields

    @field_validator("source")
    @classmethod
    def _check_source(cls, source: str) -> str:
        if not source.isprintable():
            raise ValueError("must not hold control characters")
        if len(source.encode()) > _MAX_PATH_BYTES:
            raise ValueError(f"must be at most {_MAX_PATH_BYTES} bytes")
        return source

    @field_validator("target")
    @classmethod
    def _check_path(cls, path: str) -> str:
        return check_mount_target(path)


def is_volume_name(text: str) -> bool:
    return 3 <= len(text) <= 64 and _VOLUME_NAME.fullmatch(text) is not None


def find_mount_type(source: str) -> MountType:
    """Returns the mount type of a source."""
    if source.startswith("volume://"):
        return "volume"
    return "s3fs" if source.startswith("s3://") else "bind"


def find_default_target(source: str) -> str:
    """Returns the default mount path: /volumes/NAME, /data for an object store, /mnt/NAME for a local path."""
    kind = find_mount_type(source)
    if kind == "s3fs":
        return "/data"
    name = source.rstrip("/").rpartition("/")[2] or "data"
    return f"/volumes/{name}" if kind == "volume" else f"/mnt/{name}"


def check_mount_target(path: str) -> str:
    """Returns the mount path in normal form.

    Raises ValueError unless it is absolute, without '..', and not the root.
    """
    pure = PurePosixPath("/", path.lstrip("/"))  # POSIX gives two leading slashes another meaning
    if not path.startswith("/") or ".." in pure.parts or pure == PurePosixPath("/"):
        raise ValueError(f"{path[:_MAX_SHOWN_CHARS]!r} must be an absolute path without '..', such as /data")
    if not path.isprintable():
        raise ValueError(f"{path[:_MAX_SHOWN_CHARS]!r} must not hold control characters")
    if len(path.encode()) > _MAX_PATH_BYTES:
        raise ValueError(f"{path[:_MAX_SHOWN_CHARS]!r}… is longer than {_MAX_PATH_BYTES} bytes, which no path can be")
    if str(pure) in _SYSTEM_PATHS:
        raise ValueError(f"{str(pure)!r} must not hide the system's own files; choose another path, such as /data")
    return str(pure)


def find_clash(targets: list[str]) -> tuple[str, str] | None:
    """Returns two mount paths of which one contains the other; None if there are none."""
    for i, target in enumerate(targets):
        for other in targets[:i]:
            if target == other or target.startswith(other + "/") or other.startswith(target + "/"):
                return other, target
    return None
