"""Pulls of an image of several layers from a registry on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from testbed.container_engines import IMAGE, RealEngine, docker, podman
from testbed.image_registry import registry
from testbed.recordings.scenario import Scenario, Values, Workspace

_LAYER_BYTES = (3 << 20, 1 << 20, 5 << 20)
_PIECE_PAUSE_S = 0.02


@contextmanager
def _services(workspace: Workspace) -> Iterator[Values]:
    """Three services: two of an image that is pulled, one of the image that each engine of the tests has."""
    with _pulls(docker)(workspace) as values:
        service = "    network_mode: none\n    command: sleep 60\n"
        images = {"web": IMAGE, "store": values["image"], "worker": values["image"]}
        text = "".join(f"  {name}:\n    image: {image}\n{service}" for name, image in images.items())
        (workspace.folder / "docker-compose.yml").write_text(f"version: '3'\nservices:\n{text}")
        yield values


def _pulls(
    engine: Callable[[], AbstractContextManager[RealEngine]],
) -> Callable[[Workspace], AbstractContextManager[Values]]:
    @contextmanager
    def prepare(_workspace: Workspace) -> Iterator[Values]:
        layers = [{f"layer{number}": os.urandom(size)} for number, size in enumerate(_LAYER_BYTES)]
        with engine() as running, registry({}, more_layers=layers, piece_pause_s=_PIECE_PAUSE_S) as served:
            env = " ".join(f"{name}={value}" for name, value in running.env.items())
            yield {"env": env, "image": served.image}

    return prepare


SCENARIOS = (
    Scenario("docker-pull", "docker", "docker --version", "env {env} docker pull {image}", _pulls(docker)),
    Scenario(
        "docker-compose",
        "docker-compose",
        "docker-compose --version",
        "export {env}; docker-compose pull store worker; docker-compose up -d web; docker-compose rm -s -f",
        _services,
    ),
    Scenario("podman-pull", "podman", "podman --version", "env {env} podman pull {image}", _pulls(podman)),
)
