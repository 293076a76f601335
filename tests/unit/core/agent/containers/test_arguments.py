"""The arguments of podman and docker."""

from __future__ import annotations

import csv
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow_core.agent.containers.arguments import Container, build_container_argv
from flow_core.agent.containers.container_task import qualify_image
from flow_core.agent.containers.engine import ContainerEngine, find_last_line
from flow_core.agent.supervisor.namespace import Mount

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
