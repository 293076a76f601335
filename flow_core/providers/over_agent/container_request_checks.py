"""Checks of a task with an image, the same on every machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flow_core.agent.containers.arguments import WORKSPACE
from flow_core.agent.containers.engine import ENGINES
from flow_core.errors import ConfigError, printable
from flow_core.identifiers import is_image_reference

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig


def check_image(config: TaskConfig, engine: Any) -> None:
    """Checks the image, the working directory and the engine without a request to the machine. Raises ConfigError."""
    parse_image(config)
    parse_working_dir(config)
    check_engine(engine)


def check_engine(engine: Any) -> None:
    """Checks the engine of the settings. Raises ConfigError unless it is None, podman or docker."""
    if engine is not None and engine not in ENGINES:
        raise ConfigError(f"container: {printable(repr(engine))} is neither podman nor docker", field="container")


def parse_image(config: TaskConfig) -> str:
    """Returns the name of the image. Raises ConfigError if it is not valid."""
    image = str(config.image)
    if not is_image_reference(image):
        raise ConfigError(
            f"image: {printable(repr(image))} is not the name of an image; write for example ubuntu:24.04",
            field="image",
        )
    return image


def parse_working_dir(config: TaskConfig) -> str:
    """Returns the working directory inside the image. Raises ConfigError unless it is an absolute path."""
    path = config.working_dir or WORKSPACE
    if not path.startswith("/") or "\0" in path:
        raise ConfigError(
            f"working_dir: {printable(repr(path))} must be a path inside the image, starting with /",
            field="working_dir",
        )
    return path
