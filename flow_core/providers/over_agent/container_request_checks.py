"""What a task may ask for with an image, wherever it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flow_core.agent.containers.arguments import WORKSPACE
from flow_core.agent.containers.engine import ENGINES
from flow_core.errors import ConfigError, printable
from flow_core.identifiers import is_image_reference

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig


def check_image(config: TaskConfig, engine: Any) -> None:
    """What can be said without asking the machine. Raises ConfigError."""
    image_of(config)
    directory_in_image(config)
    check_engine(engine)


def check_engine(wanted: Any) -> None:
    """Raises ConfigError for a setting that can't be meant."""
    if wanted is not None and wanted not in ENGINES:
        raise ConfigError(f"container: {printable(repr(wanted))} is neither podman nor docker", field="container")


def image_of(config: TaskConfig) -> str:
    """Raises ConfigError."""
    image = str(config.image)
    if not is_image_reference(image):
        raise ConfigError(
            f"image: {printable(repr(image))} is no name of an image; write for example ubuntu:24.04", field="image"
        )
    return image


def directory_in_image(config: TaskConfig) -> str:
    """Raises ConfigError."""
    wanted = config.working_dir or WORKSPACE
    if not wanted.startswith("/") or "\0" in wanted:
        raise ConfigError(
            f"working_dir: {printable(repr(wanted))} must be a path inside the image, starting with /",
            field="working_dir",
        )
    return wanted
