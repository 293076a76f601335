"""Tasks as files: a TaskConfig from YAML, and the mounts shorthand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flow_core.errors import ConfigError
from flow_core.models.spec import MountSpec, TaskConfig


def as_task_config(task: TaskConfig | str | Path) -> TaskConfig:
    """The config itself, or the one that a YAML file holds."""
    if isinstance(task, TaskConfig):
        return task
    if isinstance(task, str | Path):
        return load_task_config(Path(task))
    raise ConfigError(f"a task is a TaskConfig or the path of a YAML file, not {type(task).__name__}")


def load_task_config(path: Path) -> TaskConfig:
    """Reads a YAML file. A file that gives a name means just that name. Raises ConfigError."""
    import yaml  # deferred: only files need it

    try:
        fields: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ConfigError(
            f"is not valid YAML: {getattr(error, 'problem', None) or 'unreadable'}",
            source=str(path),
            line=mark.line + 1 if mark else None,
        ) from None
    except OSError as error:
        raise ConfigError(f"can't be read: {error.strerror}", source=str(path)) from None
    except UnicodeDecodeError:
        raise ConfigError("is not UTF-8 text", source=str(path)) from None
    if not isinstance(fields, dict):
        raise ConfigError("must hold a table of task fields", source=str(path))
    if "name" in fields:
        fields.setdefault("unique_name", False)
    return TaskConfig.parse(fields, source=str(path))


def with_mounts(config: TaskConfig, mounts: str | dict[str, str] | None) -> TaskConfig:
    """The config with `mounts` (target -> source, or one source) in place of its data_mounts."""
    if not mounts:
        return config
    table = {_default_target(mounts): mounts} if isinstance(mounts, str) else mounts
    specs = [{"source": source, "target": target, "mount_type": _kind(source)} for target, source in table.items()]
    fields = config.model_dump() | {"data_mounts": [MountSpec.parse(spec).model_dump() for spec in specs]}
    return TaskConfig.parse(fields)


def _kind(source: str) -> str:
    if source.startswith("volume://"):
        return "volume"
    return "s3fs" if source.startswith("s3://") else "bind"


def _default_target(source: str) -> str:
    name = source.rstrip("/").rpartition("/")[2] or "data"
    return f"/volumes/{name}" if _kind(source) == "volume" else f"/mnt/{name}"
