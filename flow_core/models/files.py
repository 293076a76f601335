"""What `run` may be given: a TaskConfig, a task file, or a command with fields; and the mounts shorthand."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from flow_core.errors import ConfigError, Unsupported
from flow_core.models.spec import TaskConfig
from flow_core.models.storage_spec import MountSpec, default_target
from flow_core.models.yaml_file import read_text

_YAML = (".yaml", ".yml")
_LONGEST_PATH = 4096
_SCRIPT_HEAD = 64 << 10


def as_task_config(task: TaskConfig | str | Path, fields: dict[str, Any] | None = None) -> TaskConfig:
    """The config itself, the one that a file holds, or one made of a command and further fields.

    Text that ends in .yaml or .yml, or names an existing file, is a file and never a command.
    """
    fields = fields or {}
    if isinstance(task, str) and not _names_a_file(task):
        return TaskConfig.parse({"command": task} | fields)
    if fields:
        raise ConfigError(f"{next(iter(fields))}: goes into the task itself; it only fits a command given as text")
    if isinstance(task, TaskConfig):
        return task
    if isinstance(task, str | Path):
        return _from_file(Path(task))
    raise ConfigError(
        f"task: must be a TaskConfig, a command, or the path of a YAML file, not {type(task).__name__}", field="task"
    )


def with_mounts(config: TaskConfig, mounts: str | dict[str, str] | None) -> TaskConfig:
    """The config with `mounts` (target -> source, or one source) in place of its data_mounts."""
    if mounts is not None and not isinstance(mounts, str | dict):
        raise ConfigError(
            f"mounts: must be a source or a table of target: source, not {type(mounts).__name__}", field="mounts"
        )
    if not mounts:
        return config
    table = {default_target(mounts): mounts} if isinstance(mounts, str) else mounts
    try:
        specs = [MountSpec.parse({"source": source, "target": target}) for target, source in table.items()]
    except ConfigError as error:
        raise ConfigError(f"mounts: {error.message}", field="mounts") from None
    return TaskConfig.parse({**config.model_dump(), "data_mounts": [spec.model_dump() for spec in specs]})


def needs_slurm(command: str) -> str | None:
    """What to say of a command that only Slurm understands, None of any other.

    Such are the text of a script with #SBATCH lines, the path of one, and whatever begins with sbatch. Reads the file.
    """
    if "\n" in command:
        return _slurm_script(command)
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    if words[:1] == ["sbatch"]:
        script = next((word for word in words[1:] if not word.startswith("-") and _names_a_file(word)), None)
        return _sentence("sbatch hands a script with #SBATCH lines to Slurm", script or "SCRIPT")
    if len(words) == 1 and not words[0].endswith(_YAML) and _names_a_file(words[0]):
        return _slurm_script(_head(Path(words[0]).expanduser()), Path(words[0]))
    return None


def _names_a_file(task: str) -> bool:
    if task.endswith(_YAML):
        return True
    if len(task) > _LONGEST_PATH or "\0" in task or "\n" in task:
        return False
    try:
        return Path(task).expanduser().is_file()
    except (OSError, RuntimeError):  # RuntimeError: ~nobody has no home
        return False


def _from_file(path: Path) -> TaskConfig:
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
    if path.suffix not in _YAML and (said := _slurm_script(text, path)):
        raise Unsupported(said)
    try:
        return TaskConfig.from_yaml_text(text, str(path))
    except ConfigError as error:
        if path.suffix in _YAML or error.field is not None:
            raise
        raise ConfigError(
            "is not a task file; to run it, give a command with its program, such as: python train.py",
            source=str(path),
        ) from None


def _slurm_script(text: str, path: Path | None = None) -> str | None:
    if not any(line.startswith("#SBATCH") for line in text[:_SCRIPT_HEAD].splitlines()):
        return None
    return _sentence(f"{path or 'this'} is a Slurm script (it has #SBATCH lines)", path)


def _sentence(what: str, script: str | Path | None) -> str:
    instead = f"give the command: bash {script}" if script else "take those lines out"
    return f"{what} and needs a context whose provider is slurm; to run it here without them, {instead}"


def _head(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_SCRIPT_HEAD)
    except OSError:
        return ""  # whoever runs it will say why it can't be read
