"""What is asked of podman and docker, and when a task with an image is refused; no engine is needed for that."""

from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow_core.agent.containers.arguments import Container, build_container_argv
from flow_core.agent.containers.container_task import qualify_image
from flow_core.agent.containers.engine import ContainerEngine, find_last_line
from flow_core.agent.containers.engine_choice import choose_engine
from flow_core.agent.supervisor.namespace import Mount
from flow_core.config import Context
from flow_core.errors import ConfigError, Unsupported
from flow_core.models.task_config import TaskConfig
from flow_core.providers.local.provider import LocalProvider

_COMMON = ["--rm", "--pull=never", "--log-driver=none", "--network=host", "--ipc=host", "--security-opt=label=disable"]


def _container(engine: str = "podman", **parts: Any) -> Container:
    known = {
        "image": "one:1",
        "name": "flow-x-0-0",
        "mark": "m",
        "argv": ["true"],
        "is_line": False,
        "working_dir": "/w",
    }
    return Container(**{**known, "engine": ContainerEngine(engine, f"/bin/{engine}", ("--init",), {}), **parts})


def test_the_argument_list_of_a_run():
    one = _container(binds=[Mount("/a", "/b", True)], variables=["A", "B"], env_file="/private", argv=["x", "y z"])
    assert one.run() == [
        *("/bin/podman", "run", *_COMMON, "--init", "--name=flow-x-0-0", "--label=flow.mark=m", "--workdir=/w"),
        *("--mount", "type=bind,source=/a,target=/b,readonly", "--env-file", "/private", "--env", "A", "--env", "B"),
        *("one:1", "x", "y z"),
    ]


def test_a_line_is_run_by_a_shell_whatever_the_image_would_start():
    argv = _container(argv=build_container_argv("echo $HOME"), is_line=True).run()
    assert argv[-5:-2] == ["--entrypoint=sh", "one:1", "-c"]
    assert argv[-1] == "echo $HOME"


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        ("podman", ["--device", "nvidia.com/gpu=GPU-1", "--device", "nvidia.com/gpu=GPU-2"]),
        ("docker", ["--gpus", '"device=GPU-1,GPU-2"']),
    ],
)
def test_each_engine_is_given_gpus_in_its_own_words(engine, words):
    argv = _container(engine, gpus=["GPU-1", "GPU-2"]).run()
    start = argv.index(words[0])
    assert argv[start : start + len(words)] == words
    assert not {"--device", "--gpus"} & set(_container(engine).run())


@given(source=st.text(min_size=1).map(lambda text: "/" + text), target=st.text(min_size=1).map(lambda text: "/" + text))
def test_a_mount_is_read_back_as_it_was_meant_whatever_is_in_its_path(source, target):
    argv = _container(binds=[Mount(source, target)]).run()
    (fields,) = csv.reader([argv[argv.index("--mount") + 1]], strict=True)
    assert fields == ["type=bind", f"source={source}", f"target={target}"]


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("ubuntu", "docker.io/library/ubuntu"),
        ("pytorch/pytorch:2.9", "docker.io/pytorch/pytorch:2.9"),
        ("nvcr.io/nvidia/pytorch:25.01-py3", "nvcr.io/nvidia/pytorch:25.01-py3"),
        ("localhost/mine", "localhost/mine"),
        ("lab:5000/mine@sha256:00", "lab:5000/mine@sha256:00"),
    ],
)
def test_an_image_without_a_registry_is_dockers_for_both_engines(name, full):
    assert qualify_image(name) == full


def test_the_last_words_of_an_engine_are_one_line_that_can_be_shown():
    assert find_last_line(b"pulling\nError: \x1b[31mno such\timage\n\nRun 'docker run --help' for more\n") == (
        "Error: ?[31mno such?image"
    )
    assert find_last_line(b"\n \xff\n") == "\ufffd"
    assert find_last_line(b"") == ""


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


@pytest.mark.needs("docker")
async def test_a_docker_client_without_an_engine_is_none(machine, monkeypatch, tmp_path):
    (tmp_path / "docker").symlink_to(str(shutil.which("docker")))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody")
    with pytest.raises(Unsupported, match="docker has no engine"):
        await machine.submit("true", image="ubuntu")
    monkeypatch.setenv("DOCKER_HOST", "ssh://elsewhere")
    with pytest.raises(Unsupported, match="another machine"):
        await machine.submit("true", image="ubuntu")


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


def _on_path(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, says: str = "") -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_what_a_container_writes_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    monkeypatch.setattr(os, "getegid", lambda: 99)
    _on_path(tmp_path, monkeypatch, "docker", says="[]")
    by_docker = choose_engine()
    assert "--user=1234:99" in by_docker.engine.options
    assert by_docker.defaults["HOME"] == "/tmp"
    _on_path(tmp_path, monkeypatch, "docker", says='["name=rootless"]')
    monkeypatch.setenv("DOCKER_HOST", "unix:///another")
    assert not any(option.startswith("--user") for option in choose_engine().engine.options)
    _on_path(tmp_path, monkeypatch, "podman")
    by_podman = choose_engine("podman")
    assert "--userns=keep-id" in by_podman.engine.options
    assert by_podman.engine.env["DOCKER_HOST"] == "unix:///another"


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
