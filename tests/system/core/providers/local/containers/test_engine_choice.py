"""Which container engine is chosen, and as whom its containers run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from flow_core.agent.containers.engine_choice import choose_engine
from flow_core.errors import Unsupported


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
