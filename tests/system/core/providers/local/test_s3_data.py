"""Data from S3: downloaded before the task starts, removed when it has ended."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from testbed.s3_server import S3Server, listing, point_at

from flow_core.client.flow import AsyncFlow
from flow_core.config import Context
from flow_core.models.task import TaskRecord, TaskStatus

_SHOW = 'cd "$FLOW_DATA_0" && find . -type f -exec cat {} + | sort; find . -type f | wc -l'


@pytest.fixture(scope="module")
def one_server() -> Iterator[S3Server]:
    server = S3Server()
    yield server
    server.close()


@pytest.fixture
def s3(one_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    point_at(one_server, monkeypatch)
    yield one_server
    one_server.release()
    one_server.reset()


@pytest.fixture
def bucket(s3: S3Server, request: pytest.FixtureRequest) -> str:
    """A bucket name that no other test uses."""
    return f"bucket-{crc32(request.node.nodeid.encode())}"


def _mount(source: str, target: str = "/data", **options: Any) -> dict[str, Any]:
    return {"data_mounts": [{"source": source, "target": target, "options": options}]}


def _copies(task: TaskRecord) -> list[str]:
    """Everything of the task's downloads on the disk: complete, partial, or moved away."""
    folder = Path(task.provider_metadata["folder"])
    places = [folder / "data", *folder.parent.glob(".deleted-*")]
    return [name for place in places for _, folders, files in os.walk(place) for name in (*folders, *files)]


async def _gone(machine: Any, task: TaskRecord) -> None:
    await machine.until(lambda: not _copies(task), "the copies are removed")


async def _fetching(machine: Any, s3: S3Server, task: TaskRecord) -> None:
    await machine.until(lambda: s3.waiting, "the fetch is in the middle of it")


async def test_a_prefix_is_downloaded_before_the_task_starts_and_removed_after_it(machine, s3, bucket):
    s3.put(bucket, {"data/a.txt": b"one\n", "data/deep/er/b.txt": b"two\n", "data/empty": b"", "database": b"no\n"})
    task = await machine.submit(_SHOW, **_mount(f"s3://{bucket}/data"))
    end = await machine.ended(task)
    assert (end.status, end.exit_code) == (TaskStatus.COMPLETED, 0), end.message
    assert (await machine.output(end)).decode().split() == ["one", "two", "3"]
    assert end.message == f"/data is a read-only copy of s3://{bucket}/data"
    await _gone(machine, task)


async def test_two_mounts_are_downloaded_to_two_folders(machine, s3, bucket):
    s3.put(bucket, {"x/a": b"one\n", "b": b"two\n"})
    mounts = [
        {"source": f"s3://{bucket}", "target": "/all", "mount_type": "s3fs"},
        {"source": f"s3://{bucket}/x/", "target": "/x", "options": {"read_only": True}},
    ]
    task = await machine.submit('cat "$FLOW_DATA_0/x/a" "$FLOW_DATA_0/b" "$FLOW_DATA_1/a"', data_mounts=mounts)
    end = await machine.ended(task)
    assert (await machine.output(end)).split() == [b"one", b"two", b"one"], end.message


async def test_an_unsupported_key_fails_the_task_before_any_download(machine, s3, bucket):
    s3.listing = listing(bucket, ("data/a", 1), ("data/../up", 1))
    end = await machine.ended(await machine.submit("true", **_mount(f"s3://{bucket}/data/")))
    assert end.status is TaskStatus.FAILED
    assert end.message.startswith(f"s3://{bucket}/data/ can't be fetched: the object")
    assert not [request for request in s3.requests if "data/" in request.partition("?")[0]]
    await _gone(machine, end)


async def test_an_error_ends_the_download_although_another_object_is_slow(machine, s3, bucket):
    s3.put(bucket, {"data/a": b"x", "data/b": b"y"})
    s3.listing = listing(bucket, ("data/a", 1), ("data/b", 7))
    s3.hold("data/a")
    end = await machine.ended(await machine.submit("true", **_mount(f"s3://{bucket}/data/")))
    assert (end.status, "was changed meanwhile" in end.message) == (TaskStatus.FAILED, True), end.message
    assert (end.completed_at - end.created_at).total_seconds() < 30, "the server holds the other object for 60 s"


async def test_too_much_data_for_the_disk_fails_the_task_before_any_download(machine, s3, bucket):
    s3.listing = listing(bucket, ("data/a", 7 * 10**17), ("data/b", 10**17))
    end = await machine.ended(await machine.submit("true", **_mount(f"s3://{bucket}/data/")))
    assert end.status is TaskStatus.FAILED
    assert end.message.startswith(f"s3://{bucket}/data/ can't be fetched: it takes 800000.0 TB and ")
    assert end.message.endswith("; make room, or mount less")


async def test_credentials_in_the_env_of_a_task_replace_all_others(machine, s3, bucket, monkeypatch):
    s3.put(bucket, {"a": b"x"})
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-somebody")
    s3.refusals["somebody"] = "AccessDenied"
    s3.callers.clear()
    mine = {"AWS_ACCESS_KEY_ID": "task", "AWS_SECRET_ACCESS_KEY": "s3cret-of-the-task"}
    task = await machine.submit("true", env=mine, **_mount(f"s3://{bucket}"))
    end = await machine.ended(task)
    assert end.status is TaskStatus.COMPLETED, end.message
    assert s3.callers == {"task"}
    for file in Path(task.provider_metadata["folder"]).rglob("*"):
        if file.is_file() and file.name != "spec.json":
            assert b"s3cret-of-the-task" not in file.read_bytes()


async def test_credentials_of_a_profile_are_found(machine, s3, bucket, monkeypatch, home):
    s3.put(bucket, {"a": b"x"})
    s3.callers.clear()
    (home / ".aws").mkdir()
    (home / ".aws" / "credentials").write_text("[lab]\naws_access_key_id = of-lab\naws_secret_access_key = x\n")
    task = await machine.submit("true", env={"AWS_PROFILE": "lab"}, **_mount(f"s3://{bucket}"))
    assert (await machine.ended(task)).status is TaskStatus.COMPLETED
    assert s3.callers == {"of-lab"}


async def test_the_message_of_a_pending_task_shows_the_progress(machine, s3, bucket):
    s3.put(bucket, {"data/a": b"x" * 2000, "data/b": b"y" * 1000})
    s3.hold("data/b")
    task = await machine.submit("true", **_mount(f"s3://{bucket}/data"))
    now = await machine.until_task(task, lambda now: now.message.startswith("fetching") and "1 of 2" in now.message)
    assert now.status is TaskStatus.PENDING
    assert now.message == f"fetching s3://{bucket}/data: 2.0 of 3.0 kB, 1 of 2 objects"
    s3.release()
    assert (await machine.ended(task)).status is TaskStatus.COMPLETED


async def test_a_server_that_dies_during_the_download_fails_the_task(machine, s3, bucket, monkeypatch):
    server = S3Server()
    point_at(server, monkeypatch)
    server.put(bucket, {"data/a": b"x", "data/b": b"y"})
    server.hold("data/b")
    task = await machine.submit("true", **_mount(f"s3://{bucket}/data"))
    await _fetching(machine, server, task)
    server.kill()
    end = await machine.ended(task)
    assert (end.status, server.waiting) == (TaskStatus.FAILED, 1)
    assert end.message == (
        f"s3://{bucket}/data can't be fetched: the server {server.url.removeprefix('http://')} does not answer;"
        " check the network and AWS_ENDPOINT_URL"
    )
    await _gone(machine, task)
    server.close()


async def test_cancelling_the_task_ends_the_download_at_once(machine, s3, bucket):
    s3.put(bucket, {"data/a": b"x", "data/b": b"y"})
    s3.hold("data/b")
    task = await machine.submit("true", **_mount(f"s3://{bucket}/data"))
    await _fetching(machine, s3, task)
    assert len(machine.members(task)) == 2
    await machine.provider.cancel_task(task.task_id)
    end = await machine.ended(task)
    assert end.status is TaskStatus.CANCELLED
    assert (end.completed_at - end.created_at).total_seconds() < 5
    await machine.until(lambda: not machine.members(task), "no process is left")
    await _gone(machine, task)


@pytest.mark.parametrize("victim", ["supervisor", "fetcher"])
async def test_a_kill_during_the_download_leaves_nothing_behind(machine, s3, bucket, victim):
    s3.put(bucket, {"data/a": b"x", "data/b": b"y"})
    s3.hold("data/b")
    task = await machine.submit("true", instance_type="a100:2", **_mount(f"s3://{bucket}/data"))
    await _fetching(machine, s3, task)
    (fetcher,) = set(machine.members(task)) - {machine.supervisor(task)}
    os.kill(machine.supervisor(task) if victim == "supervisor" else fetcher, signal.SIGKILL)
    await machine.until(lambda: not machine.is_alive(fetcher), "no orphan fetches on")
    end = await machine.ended(task)
    assert end.status is TaskStatus.FAILED
    expected = {"supervisor": "its supervisor was killed", "fetcher": "ended early (killed by SIGKILL)"}
    assert expected[victim] in end.message
    await machine.until(lambda: not machine.members(task), "no process is left")
    await _gone(machine, task)
    assert (await machine.ended(await machine.submit("true", instance_type="a100:2"))).status is TaskStatus.COMPLETED


async def test_a_downloading_task_holds_no_gpu_and_keeps_its_place_in_the_queue(machine, s3, bucket, tmp_path):
    s3.put(bucket, {"data/a": b"x", "data/b": b"y"})
    s3.hold("data/b")
    fetching = await machine.submit("echo fetched >> order", instance_type="a100:2", **_mount(f"s3://{bucket}/data"))
    await _fetching(machine, s3, fetching)
    holder = await machine.running(await machine.submit("exec sleep 300", instance_type="a100:2"))
    assert holder.is_running, "whoever is ready passes by"
    behind = await machine.submit("echo behind >> order", instance_type="a100:2")
    await machine.until_task(behind, lambda now: now.message.startswith("waiting"))
    s3.release()
    waiting = await machine.until_task(fetching, lambda now: now.message.startswith("waiting"))
    assert waiting.message == "waiting for 2 x a100: 0 of 2 free"
    await machine.provider.cancel_task(holder.task_id)
    for task in (fetching, behind):
        assert (await machine.ended(task)).status is TaskStatus.COMPLETED
    assert (tmp_path / "order").read_text().split() == ["fetched", "behind"]


async def test_all_ranks_and_attempts_share_one_download(machine, s3, bucket, tmp_path):
    s3.put(bucket, {"data/a": b"seen\n"})
    command = 'read word < "$FLOW_DATA_0/a" && echo "$word" >> "seen-$FLOW_NODE_RANK"; test "$FLOW_NODE_RANK" = 1'
    again = {"retries": {"max_retries": 1, "delay_s": 0.0}, "num_instances": 2}
    task = await machine.submit(command, **again, **_mount(f"s3://{bucket}/data"))
    end = await machine.ended(task)
    assert (end.status, end.attempt) == (TaskStatus.FAILED, 1), end.message
    assert (tmp_path / "seen-0").read_text() == "seen\nseen\n"
    assert sum("data/a" in request for request in s3.requests) == 1


@pytest.mark.needs("namespaces")
async def test_the_data_is_read_only_at_its_mount_path(machine, s3, bucket):
    s3.put(bucket, {"data/a": b"x", "data/b/c": b"y"})
    tries = "touch /flow-test-data/new || rm -f /flow-test-data/a || chmod 777 /flow-test-data/b/c"
    task = await machine.submit(
        f"ls /flow-test-data && ! ({tries} || echo x > /flow-test-data/b/c)",
        **_mount(f"s3://{bucket}/data", "/flow-test-data"),
    )
    end = await machine.ended(task)
    assert (end.status, "a\nb\n" in (await machine.output(end)).decode()) == (TaskStatus.COMPLETED, True), end.message
    assert not Path("/flow-test-data").exists()


async def test_without_namespaces_the_data_is_linked_and_submit_reports_it(machine, s3, bucket, monkeypatch):
    monkeypatch.setenv("FLOW_LOCAL_NO_NAMESPACE", "1")
    s3.put(bucket, {"train.csv": b"1,2\n"})
    task = await machine.submit(
        'echo "$FLOW_DATA_0"; cat "$FLOW_DATA_0"; sleep 300', **_mount(f"s3://{bucket}/train.csv", "/sets/train.csv")
    )
    assert "FLOW_DATA_*" in task.message
    await machine.until_task(task, lambda now: now.is_running)
    place = Path(task.provider_metadata["folder"]) / "mounts" / "sets" / "train.csv"
    await machine.until(lambda: (task.provider_metadata["folder"], place.exists()), "the link")
    assert place.read_bytes() == b"1,2\n"
    assert not stat.S_IMODE(place.stat().st_mode) & 0o222
    await machine.provider.cancel_task(task.task_id)
    await machine.ended(task)
    await _gone(machine, task)


async def test_the_mounts_of_submit_take_addresses(machine, s3, bucket):
    s3.put(bucket, {"pretrained/w": b"weights\n"})
    async with AsyncFlow(Context("local", "local")) as flow:
        both = await flow.submit('cat "$FLOW_DATA_0/w"', mounts={"/models": f"s3://{bucket}/pretrained/"})
        alone = await flow.submit('cat "$FLOW_DATA_0/w"', mounts=f"s3://{bucket}/pretrained")
    for task, target in ((both, "/models"), (alone, "/data")):
        end = await machine.ended(await machine.provider.get_task(task.task_id))
        assert (await machine.output(end), end.message.split()[0]) == (b"weights\n", target), end.message
