"""Converts the inputs of `run` to a TaskConfig: a config, a task file, or a command with fields; and data mounts."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

from flow_core.agent.regular_files import read_start
from flow_core.errors import ConfigError, Unsupported
from flow_core.models.flow_ir import TaskSpec
from flow_core.models.foreign_task_files import detect_foreign_text
from flow_core.models.storage_spec import MountSpec, find_default_target, is_volume_name
from flow_core.models.task_config import TaskConfig
from flow_core.models.yaml_file import read_text

_YAML = (".yaml", ".yml")
_MAX_PATH_CHARS = 4096
_HEAD_BYTES = 64 << 10


def to_task_config(
    task: TaskConfig | TaskSpec | str | list[str] | Path | None,
    fields: dict[str, Any] | None = None,
    *,
    takes_batch_scripts: bool = False,
) -> TaskConfig:
    """Returns the config itself, the config in a file, or a config of a command and further fields.

    Text that ends in .yaml or .yml, or that names an existing file, is a file and never a command. A `command` among
    the fields is always a command. `gpu` is a shorthand; `instance_type` overrides it. `data_mounts` accepts what
    `with_mounts` accepts. With `takes_batch_scripts`, the path of a script with #SBATCH lines is a command.
    """
    fields = dict(fields or {})
    if takes_batch_scripts and "command" not in fields and isinstance(task, str | Path) and _is_batch_script(task):
        task, fields["command"] = None, shlex.quote(str(task))
    mounts = fields.pop("data_mounts") if isinstance(fields.get("data_mounts"), str | dict) else None
    if (gpu := fields.pop("gpu", None)) is not None and fields.get("instance_type") is None:
        fields["instance_type"] = gpu
    return with_mounts(_to_config(task, fields), mounts)


def _to_config(task: TaskConfig | TaskSpec | str | list[str] | Path | None, fields: dict[str, Any]) -> TaskConfig:
    if task is None or task == []:
        if task == [] or fields.get("command") is None:
            raise ConfigError("task: give a command, a TaskConfig, or the path of a task file", field="task")
        return TaskConfig.parse(fields)
    if "command" in fields:
        raise ConfigError("command: is given twice", field="command")
    if isinstance(task, str) and (refusal := detect_foreign_text(task)) is not None:
        raise refusal
    if isinstance(task, list) or (isinstance(task, str) and not _names_a_file(task)):
        return TaskConfig.parse({"command": task} | fields)
    if fields:
        name = next(iter(fields))
        raise ConfigError(f"{name}: goes into the task itself; it only fits a command given as text", field=name)
    if isinstance(task, TaskConfig):
        return task
    if isinstance(task, TaskSpec):
        return task.to_config()
    if isinstance(task, str | Path):
        return _load_file(Path(task))
    raise ConfigError(
        f"task: must be a TaskConfig, a command, or the path of a YAML file, not {type(task).__name__}", field="task"
    )


def with_mounts(config: TaskConfig, mounts: str | Path | dict[str, Any] | None) -> TaskConfig:
    """Returns the config with `mounts` (target -> source, or one source) as its data_mounts.

    A bare name that is no local file or folder is the name of a volume.
    """
    if mounts is not None and not isinstance(mounts, str | os.PathLike | dict):
        raise ConfigError(
            f"mounts: must be a source or a table of target: source, not {type(mounts).__name__}", field="mounts"
        )
    if not mounts:
        return config
    table = {None: mounts} if not isinstance(mounts, dict) else mounts
    try:
        specs = [_to_mount_spec(target, source) for target, source in table.items()]
    except ConfigError as error:
        raise ConfigError(f"mounts: {error.message}", field="mounts") from None
    return TaskConfig.parse({**config.model_dump(), "data_mounts": [spec.model_dump() for spec in specs]})


def _to_mount_spec(target: Any, source: Any) -> MountSpec:
    if isinstance(source, str) and is_volume_name(source) and not os.path.lexists(source):
        source = f"volume://{source}"
    if target is None:
        target = find_default_target(os.fspath(source))
    return MountSpec.parse({"source": source, "target": target})


def explain_slurm_script(command: str) -> str | None:
    """Returns the reason why a command needs Slurm; None if it does not. Reads the file.

    Such commands are the text of a script with #SBATCH lines, the path of one, and every command that begins with
    sbatch.
    """
    if "\n" in command:
        return _explain_script(command)
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    if words[:1] == ["sbatch"]:
        script = next((word for word in words[1:] if not word.startswith("-") and _names_a_file(word)), None)
        return _slurm_sentence("sbatch hands a script with #SBATCH lines to Slurm", script or "SCRIPT")
    if len(words) == 1 and not words[0].endswith(_YAML) and _names_a_file(words[0]):
        return _explain_script(_read_head(Path(words[0]).expanduser()), Path(words[0]))
    return None


def explain_task_file(command: str) -> ConfigError | None:
    """Returns the error for a command that is the text or the path of a task file, also of another tool.

    Reads the file.
    """
    if "\n" in command:
        return detect_foreign_text(command)
    try:
        (word,) = shlex.split(command)
        path = Path(word).expanduser()
        if not path.is_file():
            return None
    except (ValueError, OSError, RuntimeError):  # not one word, not a path, or a ~user without a home
        return None
    if path.suffix not in _YAML:
        return detect_foreign_text(_read_head(path), str(path))
    try:
        _load_file(path)
    except ConfigError as error:
        return error
    return ConfigError("is a task file and no command", source=str(path))


def _names_a_file(task: str) -> bool:
    if task.endswith(_YAML):
        return True
    if len(task) > _MAX_PATH_CHARS or "\0" in task or "\n" in task:
        return False
    try:
        return Path(task).expanduser().is_file()
    except (OSError, RuntimeError):  # RuntimeError: a ~user without a home
        return False


def _load_file(path: Path) -> TaskConfig:
    try:
        path = path.expanduser()
        is_missing = not path.exists()
    except (OSError, RuntimeError, ValueError):
        is_missing = True
    if is_missing:
        raise ConfigError(
            "there is no such task file (a command that ends like one goes to submit, or into TaskConfig(command=...))",
            source=str(path),
        )
    text = read_text(path)
    if path.suffix not in _YAML and (explanation := _explain_script(text, path)):
        raise Unsupported(explanation)
    if path.suffix not in _YAML and (refusal := detect_foreign_text(text, str(path))) is not None:
        raise refusal
    try:
        return TaskConfig.from_yaml_text(text, str(path))
    except ConfigError as error:
        if path.suffix in _YAML or error.field is not None:
            raise
        raise ConfigError(
            "is not a task file; to run it, give a command with its program, such as: python train.py",
            source=str(path),
        ) from None


def _explain_script(text: str, path: Path | None = None) -> str | None:
    if not any(line.startswith("#SBATCH") for line in text[:_HEAD_BYTES].splitlines()):
        return None
    return _slurm_sentence(f"{path or 'this'} is a Slurm script (it has #SBATCH lines)", path)


def _slurm_sentence(what: str, script: str | Path | None) -> str:
    instead = f"give the command: bash {script}" if script else "take those lines out"
    return f"{what} and needs a context whose provider is slurm; to run it here without them, {instead}"


def _is_batch_script(path: str | Path) -> bool:
    """Returns whether this is the path of a script with #SBATCH lines. Reads the file."""
    text = str(path)
    if text.endswith(_YAML) or not _names_a_file(text):
        return False
    return _explain_script(_read_head(Path(text).expanduser())) is not None


def _read_head(path: Path) -> str:
    try:
        return read_start(path, _HEAD_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""  # running it will report the reason
