"""Pulls of an image of several layers from a registry on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from testbed.container_engines import RealEngine, docker, podman
from testbed.image_registry import registry
from testbed.recordings.scenario import Scenario, Values, Workspace

_LAYER_BYTES = (3 << 20, 1 << 20, 5 << 20)
_PIECE_PAUSE_S = 0.02


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
    Scenario("podman-pull", "podman", "podman --version", "env {env} podman pull {image}", _pulls(podman)),
)
