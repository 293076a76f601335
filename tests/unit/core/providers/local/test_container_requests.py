"""When a task with an image is refused, and what is shown of one; no engine is needed for that."""

from __future__ import annotations

import pytest

from flow_core.config import Context
from flow_core.errors import ConfigError, Unsupported
from flow_core.models.task_config import TaskConfig
from flow_core.providers.local.provider import LocalProvider


async def test_without_an_engine_an_image_is_refused_in_one_sentence_and_nothing_is_made(machine, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Unsupported) as refusal:
        await machine.submit(
            "true", image="ubuntu", volumes=[{"name": "new", "create_if_missing": True}], instance_type="a100:1"
        )
    assert str(refusal.value) == (
        "image: a container needs podman or docker, and podman is not on PATH, docker is not on PATH; "
        "install one of them, or leave image out"
    )
    assert await machine.provider.list_tasks() == ()
    assert await machine.provider.volumes.list() == ()


async def test_the_engine_that_the_setting_names_is_the_one_that_must_be_there(machine, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    config = TaskConfig.parse({"command": "true", "image": "ubuntu"})
    with pytest.raises(Unsupported, match="and docker is not on PATH; install"):
        await LocalProvider(Context("local", "local", {"container": "docker"})).submit(config)
    with pytest.raises(ConfigError, match="neither podman nor docker") as refusal:
        await LocalProvider(Context("local", "local", {"container": "chroot"})).submit(config)
    assert refusal.value.field == "container"
    assert machine.provider.config_schema.validate_config({"container": "chroot"}) == (str(refusal.value),)
    assert machine.provider.config_schema.validate_config({"container": "docker"}) == ()


@pytest.mark.parametrize("image", ["-v", "two words", "/etc", "a\tb", "ä"])
async def test_what_can_be_no_image_is_refused(machine, image):
    with pytest.raises(ConfigError) as refusal:
        await machine.submit("true", image=image)
    assert refusal.value.field == "image"


def test_what_will_be_run_is_shown_without_the_value_of_a_variable(machine):
    config = {
        "command": "echo hi",
        "image": "ubuntu:24.04",
        "env": {"TOKEN": "sesame"},
        "volumes": [{"name": "weights", "mount_path": "/models"}],
        "data_mounts": [{"source": "/data", "target": "/in"}],
    }
    shown = machine.provider.describe_submit(TaskConfig.parse(config))
    assert "podman run --rm" in shown or "docker run --rm" in shown
    assert "--env TOKEN " in shown
    assert "sesame" not in shown
    assert "source=<volume weights>,target=/models" in shown
    assert "source=/data,target=/in,readonly" in shown
    assert f"source={machine.home},target=/workspace" in shown
    assert shown.endswith("'echo hi'")
