"""Locks that one process takes, lends and loses, of both kinds."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from testbed.waiting import DEADLINE_S

from flow_core.agent import locks
from flow_core.agent.capacity.leases import find_holders, take_gpus
from flow_core.agent.file_systems import find_mount_type, is_on_network
from flow_core.agent.layout import Layout
from flow_core.agent.locks import exclusive_lock, is_locked, release, try_lock
from flow_core.agent.processes.tree import ProcessIdentity

MOUNTS = r"""22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/root rw
30 22 0:30 / /home rw - nfs4 server:/home rw,vers=4.2
31 30 0:31 / /home/me/my\040disk rw - xfs /dev/sdb rw
32 22 0:32 / /scratch rw - autofs systemd-1 rw
33 32 0:33 / /scratch rw - lustre 10.0.0.1@tcp:/scratch rw
"""


@pytest.fixture(params=["flock", "link"], autouse=True)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("FLOW_LOCKS", request.param)
    return str(request.param)


@pytest.mark.parametrize("end", [os.close, release])
def test_it_is_free_when_its_descriptor_is_closed(tmp_path: Path, end) -> None:
    fd = try_lock(tmp_path / "lock")
    assert fd is not None
    assert try_lock(tmp_path / "lock") is None
    end(fd)
    again = try_lock(tmp_path / "lock")
    assert again is not None
    os.close(again)


def _hold_as(link: Path, **fields: object) -> None:
    me = {"host": os.uname().nodename, **ProcessIdentity.current()._asdict()}
    link.write_text(json.dumps({**me, **fields}))


def test_a_link_is_broken_only_when_its_holder_is_proven_dead_on_this_machine(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind != "link":
        return
    link = tmp_path / "lock.held"
    monkeypatch.setattr(locks, "_WAIT_S", 0.05)
    for fields, holder in (
        ({"host": "elsewhere", "boot": "another", "pid": 12}, "process 12 of elsewhere"),
        ({"boot": 7}, "an unknown process"),
        ({"pid": -1}, "an unknown process"),
    ):
        _hold_as(link, **fields)
        assert is_locked(tmp_path / "lock")
        with pytest.raises(OSError, match=rf"lock\.held is held by {holder}; remove it if that is gone for good"):
            _lock_once(tmp_path / "lock")
    for fields in ({"boot": "another"}, {"start": "1"}, {"pid": 2**31 - 1}):
        _hold_as(link, **fields)
        assert not is_locked(tmp_path / "lock")
        _lock_once(tmp_path / "lock")
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_died_while_it_removed_a_stale_link_blocks_no_other(tmp_path: Path, kind: str) -> None:
    if kind != "link":
        return
    _hold_as(tmp_path / "lock.held", start="1")
    found = os.stat(tmp_path / "lock.held")
    for number in range(2):
        _hold_as(Path(locks._token_path(str(tmp_path / "lock.held"), found, number)), start="1")
    _lock_once(tmp_path / "lock")
    assert list(tmp_path.iterdir()) == []


def _lock_once(path: Path) -> None:
    with exclusive_lock(path):
        pass


def test_network_file_systems_are_recognized_by_their_mounts(tmp_path: Path) -> None:
    kinds = {
        path: find_mount_type(path, MOUNTS) for path in ("/", "/home/me", "/home/me/my disk/x", "/scratch/a", "/homes")
    }
    assert list(kinds.values()) == ["ext4", "nfs4", "xfs", "lustre", "ext4"]
    assert not is_on_network(tmp_path)


def test_a_process_that_only_checks_is_no_holder(tmp_path: Path) -> None:
    """Several threads check at the same time; one takes the lock as soon as it is free."""
    path = tmp_path / "lock"
    deadline = time.monotonic() + DEADLINE_S

    def check_until_free() -> list[bool]:
        found = [is_locked(path) for _ in range(50)]
        while all(found) and time.monotonic() < deadline:
            found.append(is_locked(path))
        return found

    with ThreadPoolExecutor() as pool:
        checks = [pool.submit(check_until_free) for _ in range(4)]
        while not all(check.done() for check in checks):
            fd = try_lock(path)
            assert fd is not None
            release(fd)
    free = [check.result().count(False) for check in checks]
    assert all(free), free


def test_a_task_that_waits_for_more_gpus_than_are_free_holds_none(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "machine", "local")
    layout.make()
    first = take_gpus(layout.task("task_aaaaaaaaaa"), ["a"], 1)
    assert first is not None
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(
            lambda: [take_gpus(layout.task("task_bbbbbbbbbb"), ["a", "b", "c"], 3) for _ in range(40)]
        )
        while not waiting.done():
            assert list(find_holders(layout.root, ["a", "b", "c"])) == ["a"]
    assert set(waiting.result()) == {None}
    first.release()
