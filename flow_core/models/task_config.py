"""The request for a task. An error about wrong input names the field."""

from __future__ import annotations

import os
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from flow_core.errors import ConfigError, printable
from flow_core.gpu_shorthand import parse_gpu
from flow_core.identifiers import is_image_reference
from flow_core.models.foreign_task_files import detect_foreign_table, detect_foreign_text
from flow_core.models.json_object import PlainTable
from flow_core.models.retries import Retries
from flow_core.models.storage_spec import MountSpec, VolumeSpec, check_mount_target, find_clash, find_mount_type
from flow_core.models.strict_model import StrictModel, cross_field_error
from flow_core.models.yaml_file import dump_yaml, parse_table, read_text, write_text

__all__ = ["MountSpec", "Retries", "TaskConfig", "VolumeSpec", "check_mount_target"]

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_IDEMPOTENCY_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")

_MAX_SHOWN_CHARS = 80
_MAX_NUMBER = 1 << 128  # Python can't convert numbers of thousands of digits to text
_MAX_TEXT_BYTES = 4095

Word = Annotated[str, Field(min_length=1)]
Hours = Annotated[float, Field(gt=0, le=168)]
Priority = Literal["low", "med", "high"]


class TaskConfig(StrictModel):
    """A task to run. `command` is a shell line or an argument list.

    Durations are hours, prices are USD per hour and instance, memory is GB. `instance_type` is a GPU shorthand or the
    name of an instance type; a list is tried in order. The values of `env` never appear in messages or logs of flow.
    `after`, `array` and `provider_options` (a table per provider) apply only to some engines; the others refuse them.
    docs/sdk.md describes the effect of each field with each provider.
    """

    RETIRED: ClassVar[dict[str, str]] = {
        "gpu": "instance_type",
        "gpu_type": "instance_type",
        "gpu_count": "is not a known field; write the number into instance_type, such as 8xh100",
        "num_gpus": "is not a known field; write the number into instance_type, such as 8xh100",
        "num_nodes": "num_instances",
        "gpu_memory_gb": "min_gpu_memory_gb",
        "environment": "env",
        "timeout": "max_run_time_hours",
        "mounts": "data_mounts",
    }
    IGNORED: ClassVar[frozenset[str]] = frozenset(
        {"allow_docker_cache", "placement", "workload_type", "preemptible_ok", "constraints", "runtime_files"}
        | {"min_containers", "max_containers", "scaledown_window", "concurrency", "schedule", "web_endpoint"}
        | {"upload_mode"}
    )

    name: str = "flow-task"
    unique_name: bool = True
    idempotency_key: str | None = None
    command: str | list[Word]
    instance_type: str | list[Word] | None = None
    min_gpu_memory_gb: int | None = Field(default=None, ge=1, le=640)
    min_cpus: int | None = Field(default=None, ge=1, le=1_000_000)
    min_memory_gb: int | None = Field(default=None, ge=1, le=1_000_000)
    num_instances: int = Field(default=1, ge=1, le=100)
    distributed_mode: Literal["auto", "manual"] | None = None
    internode_interconnect: str | None = None
    intranode_interconnect: str | None = None
    k8s: str | None = None
    image: Word | None = None
    env: dict[str, str] = Field(default_factory=dict)
    working_dir: Word | None = None
    streams: Literal["separate", "merged"] | None = None
    tty: bool = False
    volumes: list[VolumeSpec] = Field(default_factory=list, max_length=20)
    data_mounts: list[MountSpec] = Field(default_factory=list)
    ports: list[Annotated[int, Field(ge=1024, le=65535)]] = Field(default_factory=list)
    retries: Retries | None = None
    max_price_per_hour: float | None = Field(default=None, gt=0)
    max_run_time_hours: float | None = Field(default=None, ge=0, le=168)
    min_run_time_hours: Hours | None = None
    deadline_hours: float | None = Field(default=None, gt=0, le=720)
    ssh_keys: list[Word] = Field(default_factory=list)
    allocation_mode: Literal["spot", "reserved", "auto"] = "spot"
    reservation_id: Word | None = None
    scheduled_start_time: datetime | None = None
    reserved_duration_hours: int | None = Field(default=None, ge=1, le=336)
    region: str | None = None
    priority: Priority = "med"
    upload_code: bool = True
    upload_strategy: Literal["auto", "embedded", "scp", "none"] = "auto"
    upload_timeout: int = Field(default=600, ge=60, le=3600)
    code_root: str | None = None
    terminate_on_exit: bool = False
    dev_vm: bool | None = None
    after: list[Word] = Field(default_factory=list)
    array: Word | None = None
    provider_options: dict[str, PlainTable] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if len(name) > 128 or not _NAME.fullmatch(name):
            raise ValueError("must be at most 128 of a-z, 0-9, '.', '_' and '-', starting with a letter or digit")
        if name.startswith("inst_"):
            raise ValueError("must not start with inst_, which is how instances are called")
        return name

    @field_validator("idempotency_key")
    @classmethod
    def _check_idempotency_key(cls, key: str | None) -> str | None:
        if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
            raise ValueError("must be at most 128 letters, digits, '.', '_', ':' and '-'")
        return key

    @field_validator("command", mode="before")
    @classmethod
    def _convert_command_numbers(cls, command: Any) -> Any:
        return [_to_text(word) for word in command] if isinstance(command, list | tuple) else command

    @field_validator("env", mode="before")
    @classmethod
    def _convert_env_numbers(cls, env: Any) -> Any:
        if not isinstance(env, dict):
            return env
        for name, value in env.items():
            if value is None or isinstance(value, bool):
                raise ValueError(f"the value of {_printable_name(name)} is not text; put quotes around it")
        return {_to_text(name): _to_text(value) for name, value in env.items()}

    @field_validator("command")
    @classmethod
    def _check_command(cls, command: str | list[str]) -> str | list[str]:
        if not command or (isinstance(command, str) and not command.strip()):
            raise ValueError("must not be empty; enter a command or a script")
        if flaw := _find_flaw("".join(command)):
            raise ValueError(f"must not hold {flaw}")
        return command

    @field_validator("instance_type")
    @classmethod
    def _check_instance_type(cls, instance_types: str | list[str] | None) -> str | list[str] | None:
        for instance_type in [instance_types] if isinstance(instance_types, str) else instance_types or ():
            parse_gpu(instance_type)  # raises ConfigError with a suggestion
        return instance_types or None

    @field_validator("env")
    @classmethod
    def _check_env(cls, env: dict[str, str]) -> dict[str, str]:
        for name, value in env.items():
            if not _ENV_NAME.fullmatch(name):
                raise ValueError(f"{name[:_MAX_SHOWN_CHARS]!r} is not a variable name")
            if flaw := _find_flaw(value):
                raise ValueError(f"the value of {name} must not hold {flaw}")
        return env

    @field_validator(
        *("working_dir", "code_root", "image", "region", "k8s", "array"),
        *("internode_interconnect", "intranode_interconnect"),
    )
    @classmethod
    def _check_plain_text(cls, text: str | None) -> str | None:
        if text is not None and not text.isprintable():
            raise ValueError("must not hold control characters")
        if text is not None and len(text.encode()) > _MAX_TEXT_BYTES:
            raise ValueError(f"must be at most {_MAX_TEXT_BYTES} bytes")
        return text

    @field_validator("image")
    @classmethod
    def _check_image(cls, image: str | None) -> str | None:
        if image is not None and not is_image_reference(image):
            raise ValueError(f"{printable(repr(image))} is no image; write one such as pytorch/pytorch:2.9.0")
        return image

    @field_validator("ports")
    @classmethod
    def _drop_duplicate_ports(cls, ports: list[int]) -> list[int]:
        return list(dict.fromkeys(ports))

    @field_validator("max_run_time_hours")
    @classmethod
    def _convert_zero_limit(cls, hours: float | None) -> float | None:
        return hours or None

    @field_validator("scheduled_start_time")
    @classmethod
    def _convert_to_utc(cls, start: datetime | None) -> datetime | None:
        return None if start is None else (start if start.tzinfo else start.replace(tzinfo=UTC)).astimezone(UTC)

    @model_validator(mode="after")
    def _check_instance_choice(self) -> Self:
        if self.instance_type is not None and self.min_gpu_memory_gb is not None:
            raise cross_field_error(
                "instance_type", "instance_type and min_gpu_memory_gb both choose the instance; give one of them"
            )
        return self

    @model_validator(mode="after")
    def _check_streams(self) -> Self:
        if self.tty and self.streams == "separate":
            raise cross_field_error("streams", "streams: a terminal is one stream; leave out tty, or streams")
        return self

    @model_validator(mode="after")
    def _check_mounts(self) -> Self:
        targets = [volume.target for volume in self.volumes] + [mount.target for mount in self.data_mounts]
        if found := find_clash(targets):
            field = "volumes" if self.volumes else "data_mounts"
            raise cross_field_error(field, f"mounts {found[0]} and {found[1]} clash; give each a path of its own")
        if self.upload_code and self.working_dir in [volume.target for volume in self.volumes]:
            raise cross_field_error(
                "volumes", f"a volume at {self.working_dir} would hide the code; give it a path below"
            )
        if self.num_instances > 1 and any(one.create_if_missing and one.interface == "block" for one in self.volumes):
            raise cross_field_error(
                "volumes", "a new block volume can't be shared by several instances; write interface: file"
            )
        return self

    @model_validator(mode="after")
    def _check_times(self) -> Self:
        min_hours, max_hours, deadline = self.min_run_time_hours, self.max_run_time_hours, self.deadline_hours
        if min_hours is not None and max_hours is not None and min_hours > max_hours:
            raise cross_field_error("min_run_time_hours", "min_run_time_hours is longer than max_run_time_hours")
        if deadline is not None and max_hours is not None and deadline < max_hours:
            raise cross_field_error("deadline_hours", "deadline_hours is shorter than max_run_time_hours")
        return self

    @property
    def instance_types(self) -> tuple[str, ...]:
        """The requested types in order of preference; empty if any instance is accepted."""
        if isinstance(self.instance_type, str):
            return (self.instance_type,)
        return tuple(self.instance_type or ())

    @property
    def command_line(self) -> str:
        """The command as one shell line."""
        return self.command if isinstance(self.command, str) else shlex.join(self.command)

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields that differ from the defaults, as plain data for `parse`. Contains the values of `env`."""
        fields = self.model_dump(mode="json", exclude_defaults=True)
        if self.retries is not None:
            fields["retries"] = self.retries.model_dump()  # an empty table means the same and is hard to read
        # Keep values that `parse` would otherwise derive again from a size or a source.
        for volume, entry in zip(self.volumes, fields.get("volumes", ()), strict=True):
            entry |= {"create_if_missing": volume.create_if_missing} if "size_gb" in entry else {}
        for mount, entry in zip(self.data_mounts, fields.get("data_mounts", ()), strict=True):
            entry |= {"mount_type": mount.mount_type} if mount.mount_type != find_mount_type(mount.source) else {}
        return fields

    @classmethod
    def from_command(cls, command: str | list[str], **fields: Any) -> TaskConfig:
        """Returns a config of a command and further fields, as in the published SDK. Raises ConfigError."""
        return cls.parse({"command": command, **fields})

    @classmethod
    def from_yaml(cls, path: str | Path) -> TaskConfig:
        """Reads a task file. A `name` in it is the exact name of the task unless the file sets unique_name.

        Raises ConfigError with the file, the line and the field.
        """
        return cls.from_yaml_text(read_text(Path(path)), str(path))

    @classmethod
    def from_yaml_text(cls, text: str, source: str | None = None) -> TaskConfig:
        """Reads a task file from text. `source` is its name in errors."""
        try:
            table = parse_table(text, source, text_fields=("env", "command"))
        except ConfigError as error:  # such as several documents
            raise detect_foreign_text(text, source) or error from None
        if (refusal := detect_foreign_table(table, source)) is not None:
            raise refusal
        fields = {"unique_name": False} | table.fields if "name" in table.fields else table.fields
        return cls.parse(fields, source=source, lines=table.lines)

    def to_yaml(self, path: str | Path | None = None) -> str:
        """Returns YAML that reads back as this config, with only the fields that differ from the defaults.

        Also writes it to `path`. Contains the values of `env`. Raises ConfigError if the file can't be written.
        """
        text = dump_yaml({"name": self.name, "unique_name": self.unique_name} | self.to_dict())
        if path is not None:
            write_text(Path(path), text)
        return text


def _to_text(value: Any) -> Any:
    """Converts a number or a path to the text on a command line.

    Returns other values unchanged; pydantic refuses them.
    """
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number and abs(value) < _MAX_NUMBER else value


def _printable_name(name: Any) -> str:
    text = str(name) if isinstance(name, str | int | float) and name == name else "one variable"
    return text[:_MAX_SHOWN_CHARS] if text.isprintable() else repr(text[:_MAX_SHOWN_CHARS])


def _find_flaw(text: str) -> str | None:
    """Returns the reason why a text can't be passed to a process; None if it can."""
    if "\0" in text:
        return "a NUL character"
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return "half a character (a lone surrogate)"
    return None
