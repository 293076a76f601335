"""Data from S3: downloaded before the task starts, removed when it has ended."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from testbed.s3_server import S3Server, listing

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
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    _point_at(one_server, monkeypatch)
    yield one_server
    one_server.release()
    one_server.reset()


def _point_at(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "0ther-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "2",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


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


async def test_a_single_object_is_a_file(machine, s3, bucket):
    s3.put(bucket, {"models/tiny.pt": b"weights\n", "models/tiny.pt.sum": b"no\n"})
    task = await machine.submit(
        'test -f "$FLOW_DATA_0" && cat "$FLOW_DATA_0"', **_mount(f"s3://{bucket}/models/tiny.pt", "/m.pt")
    )
    end = await machine.ended(task)
    assert (end.status, await machine.output(end)) == (TaskStatus.COMPLETED, b"weights\n"), end.message
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


async def test_a_listing_of_many_pages_is_downloaded_completely(machine, s3, bucket, monkeypatch):
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "70")
    s3.put(bucket, {f"data/{n % 7}/{n}": f"{n}\n".encode() for n in range(300)})
    task = await machine.submit('cat "$FLOW_DATA_0"/*/* | sort -n', **_mount(f"s3://{bucket}/data/"))
    end = await machine.ended(task)
    assert await machine.output(end) == "".join(f"{n}\n" for n in range(300)).encode(), end.message
    assert sum("list-type=2" in request for request in s3.requests) == 5


async def test_a_large_object_is_downloaded_in_parts(machine, s3, bucket):
    content = os.urandom(1 << 20) * 40
    s3.put(bucket, {"data/large": content})
    task = await machine.submit('md5sum < "$FLOW_DATA_0/large"', **_mount(f"s3://{bucket}/data"))
    end = await machine.ended(task)
    wanted = subprocess.run(["md5sum"], input=content, capture_output=True, check=True).stdout
    assert await machine.output(end) == wanted, end.message
    assert sum(request.startswith("GET") and "large" in request for request in s3.requests) == 3


async def test_unusual_names_are_kept(machine, s3, bucket):
    names = ["a b", "ünï/cödé 文字", 'it\'s "quoted"', "100%/+&=?#", "trailing. ", "-rf", "tab\tstop", "é" * 127]
    s3.put(bucket, {f"data/{name}": name.encode() for name in names})
    task = await machine.submit("exec sleep 300", **_mount(f"s3://{bucket}/data"))
    now = await machine.running(task)
    assert now.is_running, now.message
    place = Path(task.provider_metadata["folder"]) / "data" / "0"
    assert {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()} == set(names)
    assert all((place / name).read_text() == name for name in names)


@pytest.mark.parametrize("names", [["../up"], ["a/../../up"], ["./a"], ["a//b"], ["/etc/x"], ["a", "a/b"], ["a/.."]])
async def test_an_unsupported_key_fails_the_task_before_any_download(machine, s3, bucket, names):
    s3.listing = listing(bucket, *[(f"data/{name}", 1) for name in names])
    end = await machine.ended(await machine.submit("true", **_mount(f"s3://{bucket}/data/")))
    assert end.status is TaskStatus.FAILED
    assert end.message.startswith(f"s3://{bucket}/data/ can't be fetched: the object")
    assert not [request for request in s3.requests if "data/" in request.partition("?")[0]]
    await _gone(machine, end)


@pytest.mark.parametrize(
    ("listed", "why"),
    [
        ([("a/b", 1), ("a", 1)], "another"),  # whichever comes second finds the other in its way
        ([("a", 1), ("c", 1), ("a/b", 1)], "another"),
        ([("c", 7)], "was changed meanwhile"),
        ([("c/", 1)], "holds data and is named like a folder"),
    ],
)
async def test_conflicting_objects_and_changed_objects_fail_the_task(machine, s3, bucket, listed, why):
    s3.put(bucket, {"data/a": b"x", "data/a/b": b"y", "data/c": b"z"})
    s3.listing = listing(bucket, *[(f"data/{name}", size) for name, size in listed])
    end = await machine.ended(await machine.submit("true", **_mount(f"s3://{bucket}/data/")))
    assert (end.status, why in end.message) == (TaskStatus.FAILED, True), end.message
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


async def test_an_empty_prefix_and_a_missing_bucket_fail_with_a_sentence(machine, s3, bucket):
    s3.put(bucket, {"data/": b"", "other": b"x"})
    for source, why in [
        (f"s3://{bucket}/data", "there is nothing"),
        (f"s3://{bucket}/data/", "there is nothing"),
        (f"s3://{bucket}-else/data", "there is no such bucket"),
    ]:
        end = await machine.ended(await machine.submit("true", **_mount(source)))
        assert (end.status, end.message) == (TaskStatus.FAILED, f"{source} can't be fetched: {why}")
        await _gone(machine, end)


@pytest.mark.parametrize(
    ("code", "why"),
    [("InvalidAccessKeyId", "the credentials are not accepted"), ("AccessDenied", "these credentials may not read it")],
)
async def test_errors_about_credentials_and_rights_contain_no_secret(machine, s3, bucket, code, why):
    s3.refusals["somebody"] = code
    end = await machine.ended(await machine.submit("true", **_mount(f"s3://{bucket}/data")))
    assert end.status is TaskStatus.FAILED
    assert end.message.startswith(f"s3://{bucket}/data can't be fetched: {why} ({code})")
    assert "0ther-secret" not in end.message


async def test_without_credentials_public_data_is_downloaded_and_other_data_is_an_error(
    machine, s3, bucket, monkeypatch
):
    s3.put(bucket, {"a": b"x"}, public=True)
    s3.put(f"{bucket}-private", {"a": b"x"})
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    end = await machine.ended(await machine.submit("true", **_mount(f"s3://{bucket}")))
    assert end.status is TaskStatus.COMPLETED, end.message
    end = await machine.ended(await machine.submit("true", **_mount(f"s3://{bucket}-private")))
    assert end.status is TaskStatus.FAILED
    assert "there are no credentials, and it may not be read without; set AWS_ACCESS_KEY_ID" in end.message


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ({"AWS_ENDPOINT_URL": "nonsense"}, "AWS_ENDPOINT_URL is no address of a server"),
        ({"AWS_ENDPOINT_URL": "http://me:s3cret@127.0.0.1:9"}, "the server 127.0.0.1:9 does not answer"),
        ({"AWS_PROFILE": "nobody"}, "AWS_PROFILE names a profile that is not configured"),
    ],
)
async def test_errors_about_settings_contain_no_secret(machine, s3, bucket, setting, why):
    end = await machine.ended(await machine.submit("true", env=setting, **_mount(f"s3://{bucket}/data")))
    assert end.status is TaskStatus.FAILED
    assert end.message.startswith(f"s3://{bucket}/data can't be fetched: {why}")
    assert "s3cret" not in end.message


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
    _point_at(server, monkeypatch)
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


async def test_a_broken_connection_is_retried(machine, s3, bucket):
    s3.put(bucket, {"data/a": b"kept\n"})
    s3.breaks = 1
    task = await machine.submit('cat "$FLOW_DATA_0/a"', **_mount(f"s3://{bucket}/data"))
    end = await machine.ended(task)
    assert (end.status, await machine.output(end)) == (TaskStatus.COMPLETED, b"kept\n"), end.message
    assert s3.breaks == 0


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
    said = {"supervisor": "its supervisor was killed", "fetcher": "ended early (killed by SIGKILL)"}
    assert said[victim] in end.message
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
