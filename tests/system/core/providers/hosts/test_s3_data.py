"""Data from S3 on hosts: which Python downloads it, and with which credentials."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from testbed.agent_folders import records_of_agent, state_of
from testbed.command_lines import list_command_lines
from testbed.hosts_lab import Lab, ended, submit
from testbed.s3_server import S3Server
from testbed.waiting import until

from flow_core.errors import ConfigError, Unsupported
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.models.task_config import TaskConfig
from flow_core.providers.hosts.provider import HostsProvider

pytestmark = pytest.mark.needs("sshd")

SECRET = "s3same-0pen-4711"
MOUNT = {"data_mounts": [{"source": "s3://corpus/data", "target": "/data"}]}
SHOW = "cat $FLOW_DATA_0/a.txt"


@pytest.fixture(scope="module")
def one_server() -> Iterator[S3Server]:
    server = S3Server()
    server.put("corpus", {"data/a.txt": b"one\n"})
    yield server
    server.close()


@pytest.fixture
def s3(one_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    one_server.reset()
    yield one_server
    one_server.release()


def place_of(s3: S3Server) -> dict[str, str]:
    return {"AWS_ENDPOINT_URL": s3.url, "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}


def keys_of(who: str) -> dict[str, str]:
    return {"AWS_ACCESS_KEY_ID": who, "AWS_SECRET_ACCESS_KEY": SECRET}


def opened(lab: Lab, **settings: Any) -> HostsProvider:
    """A provider for the same hosts with more settings."""
    return lab.open(replace(lab.context, settings={**lab.context.settings, "s3_python": sys.executable, **settings}))


async def fetched(lab: Lab, provider: HostsProvider, **fields: Any) -> TaskRecord:
    task = await ended(provider, await submit(provider, SHOW, **MOUNT, **fields))
    assert (task.status, lab.log(task)) == (TaskStatus.COMPLETED, b"one\n"), task.message
    return task


def credentials(lab: Lab, task: TaskRecord) -> Path:
    return lab.tasks() / task.task_id / "credentials.json"


async def test_credentials_in_the_env_of_a_task_come_first(
    lab: Lab, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.start(env=keys_of("machine"))
    for name, value in keys_of("client").items():
        monkeypatch.setenv(name, value)
    provider = opened(lab, send_credentials=True)
    await fetched(lab, provider, env={**place_of(s3), **keys_of("task")})
    assert s3.callers == {"task"}


async def test_a_machine_uses_its_own_environment_and_its_own_profile(
    lab: Lab, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.start(env={**place_of(s3), "AWS_PROFILE": "lab"})
    for name, value in keys_of("client").items():
        monkeypatch.setenv(name, value)
    folder = lab.servers[0].home / ".aws"
    folder.mkdir()
    (folder / "credentials").write_text(f"[lab]\naws_access_key_id = profile\naws_secret_access_key = {SECRET}\n")
    provider = opened(lab)
    await fetched(lab, provider)
    await fetched(lab, provider, env=keys_of("task"))
    assert s3.callers == {"profile", "task"}


async def test_sent_credentials_exist_on_the_host_only_during_the_download(
    lab: Lab, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.start(env=keys_of("machine"))
    for name, value in {**place_of(s3), **keys_of("client"), "AWS_SESSION_TOKEN": f"token-{SECRET}"}.items():
        monkeypatch.setenv(name, value)
    provider = opened(lab, send_credentials=True)
    s3.hold("a.txt")
    task = await submit(provider, SHOW, **MOUNT)
    await until(lambda: s3.waiting)
    assert stat.S_IMODE(credentials(lab, task).stat().st_mode) == 0o600
    assert files_with(lab.root(), SECRET) == [credentials(lab, task)]
    assert not [line for _, line in list_command_lines() if SECRET.encode() in line]
    s3.release()
    assert (await ended(provider, task)).status is TaskStatus.COMPLETED
    assert files_with(lab.root(), SECRET) == []
    assert lab.log(task) == b"one\n"
    assert s3.callers == {"client"}


async def test_sent_credentials_may_come_from_a_profile(
    lab: Lab, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.start()
    (Path.home() / ".aws").mkdir()
    (Path.home() / ".aws" / "credentials").write_text(
        f"[default]\naws_access_key_id = other\n[mine]\naws_access_key_id = mine\naws_secret_access_key = {SECRET}\n"
    )
    for name, value in {**place_of(s3), "AWS_PROFILE": "mine", "AWS_ACCESS_KEY_ID": "half of a pair"}.items():
        monkeypatch.setenv(name, value)
    await fetched(lab, opened(lab, send_credentials=True))
    assert s3.callers == {"mine"}


async def test_without_credentials_to_send_submit_creates_nothing(
    lab: Lab, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.start()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "half of a pair")
    with pytest.raises(ConfigError, match=r"^send_credentials: this machine has no keys for S3, "):
        await submit(opened(lab, send_credentials=True), SHOW, **MOUNT)
    assert not list(lab.tasks().iterdir())


@pytest.mark.parametrize("how", ["cancelled", "killed"])
async def test_a_task_that_ends_during_the_download_leaves_no_credentials(
    lab: Lab, s3: S3Server, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    lab.start()
    for name, value in {**place_of(s3), **keys_of("client")}.items():
        monkeypatch.setenv(name, value)
    provider = opened(lab, send_credentials=True)
    s3.hold("a.txt")
    task = await submit(provider, SHOW, **MOUNT)
    await until(lambda: s3.waiting)
    if how == "killed":
        os.kill(lab.supervisor(task), 9)
    else:
        await provider.cancel_task(task.task_id)
    assert (await ended(provider, task)).is_terminal
    assert not credentials(lab, task).exists()


async def test_without_boto3_on_the_host_submit_creates_nothing(lab: Lab, tmp_path: Path) -> None:
    lab.start(2)
    bare = tmp_path / "python-without-boto3"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    bare.chmod(0o755)
    hosts = [{**lab.context.settings["hosts"][0], "s3_python": str(bare)}, lab.context.settings["hosts"][1]]
    provider = opened(lab, hosts=hosts)
    expected = "^data_mounts: 's3://corpus/data' needs boto3 on 'one'; install it for the Python there, or name one "
    (tmp_path / "code").mkdir()
    before = records_of_agent(state_of(lab.servers[0].home))
    with pytest.raises(Unsupported, match=expected):
        await submit(provider, SHOW, region="one", upload_code=True, code_root=str(tmp_path / "code"), **MOUNT)
    assert await provider.list_tasks() == ()
    left = {Path(path).name for path in records_of_agent(state_of(lab.servers[0].home)) - before}
    assert not {name for name in left if name.startswith(("task_", ".new-"))}


async def test_the_description_of_a_submit_says_that_credentials_are_sent(lab: Lab) -> None:
    lab.start()
    silent, sending = opened(lab), opened(lab, send_credentials=True)
    config = TaskConfig.parse({"command": SHOW, **MOUNT})
    assert silent.describe_disclosure(config) == ""
    expected = "the keys for S3 of this machine, in a file for your eyes only that is removed once the data is there"
    assert sending.describe_disclosure(config) == expected
    assert expected in sending.describe_submit(config)
    for fields in ({}, {**MOUNT, "env": keys_of("task")}, {**MOUNT, "env": {"AWS_PROFILE": "theirs"}}):
        assert sending.describe_disclosure(TaskConfig.parse({"command": SHOW, **fields})) == ""


def files_with(folder: Path, text: str) -> list[Path]:
    """The files below the folder that contain the text. Other processes may delete files meanwhile."""
    found = []
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            if path.is_file() and text.encode() in path.read_bytes():
                found.append(path)
    return found
