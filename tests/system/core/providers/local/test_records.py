"""Records of local tasks, volumes and reservations in which anything may stand: only that record counts as broken."""

from __future__ import annotations

import asyncio
import json
import os
from itertools import product
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flow_core.config import Context
from flow_core.errors import FlowError
from flow_core.models.instance import InstanceRequirements
from flow_core.models.task import TaskStatus
from flow_core.providers.local.provider import LocalProvider

HOSTILE: list[Any] = [
    *(None, True, -1, 10**18, 1e30, 1e300, "", "abc", "\x1b[31m\n", "x" * 5000, "../../../../tmp/x", [], [1], {}),
    *({"a": []}, [None], "9999-12-31T23:59:59-23:59", 2**31, "NaN"),
]
WHOLE = {
    "deep lists": "[" * 100_000,
    "deep tables": '{"a":' * 50_000,
    "many digits": '{"version": ' + "9" * 5000,
    **{text or "nothing": text for text in ("", "null", "[]", "NaN", "\0", '{"version": 1}', '{"version": 1e999}')},
}
REASONS = {
    "nested": "nested too deeply",
    "folder": "it is a folder",
    "pipe": "it is a pipe",
    "huge": "larger than 16 MB",
    "link": "symbolic links",
}


async def test_one_record_that_can_not_be_read_is_one_broken_task_with_a_reason(machine):
    good = await machine.ended(await machine.submit("true"))
    bad = await machine.ended(await machine.submit("true"))
    for name, kind in product(("spec.json", "state.json", "mounts.json"), REASONS):
        path = Path(bad.provider_metadata["folder"]) / name
        before = path.read_bytes() if path.exists() else None
        path.unlink(missing_ok=True)
        _break(path, kind)
        listed = {task.task_id: task for task in await machine.open("local").list_tasks()}
        assert listed[good.task_id].status is TaskStatus.COMPLETED, (name, kind)
        assert listed[bad.task_id].message.startswith("its record is broken: "), (name, kind)
        assert REASONS[kind] in listed[bad.task_id].message, (name, kind)
        path.rmdir() if kind == "folder" else path.unlink()
        if before is not None:
            path.write_bytes(before)


def _break(path: Path, kind: str) -> None:
    if kind == "nested":
        path.write_text("[" * 100_000)
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "huge":
        with path.open("wb") as file:
            file.truncate(1 << 34)
    else:
        path.symlink_to(path.name)


async def everything(machine) -> tuple[str, list[Path]]:
    """A sound task, and the records of another one, a volume and a reservation beside it."""
    good = await machine.ended(await machine.submit("true"))
    volume = await machine.provider.volumes.create(1, "data", "file", None)
    bad = await machine.ended(
        await machine.submit("true", ports=[18080], volumes=[{"volume_id": volume.volume_id, "mount_path": "/x"}])
    )
    folder = Path(bad.provider_metadata["folder"])
    home = Path(good.provider_metadata["folder"]).parents[3]
    return good.task_id, [
        folder / "spec.json",
        folder / "state.json",
        folder / "mounts.json",
        *home.glob("queue/*.json"),
    ]


async def test_anything_in_a_record_is_a_broken_record_and_nothing_else(machine):
    good, files = await everything(machine)
    before = {path: path.read_text() for path in files}
    outside = sorted(machine.home.iterdir())

    @given(st.sampled_from(files), st.data())
    @settings(max_examples=40, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    def check(path: Path, data: st.DataObject) -> None:
        whole = data.draw(st.sampled_from(["", *WHOLE]))
        path.write_text(WHOLE[whole] if whole else data.draw(changed(json.loads(before[path]))))
        try:
            asyncio.run(look(good))
        finally:
            path.write_text(before[path])

    await asyncio.to_thread(check)
    assert sorted(machine.home.iterdir()) == outside


def changed(record: Any) -> st.SearchStrategy[str]:
    """The record with something hostile in place of one of its values, at any depth."""
    places = list(_places(record, ()))
    return st.tuples(st.sampled_from(places), st.sampled_from(HOSTILE)).map(lambda it: json.dumps(_put(record, *it)))


def _places(value: Any, above: tuple[Any, ...]) -> Any:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*above, key)
        yield from _places(one, (*above, key))


def _put(record: Any, place: tuple[Any, ...], value: Any) -> Any:
    copy = json.loads(json.dumps(record))
    table = copy
    for key in place[:-1]:
        table = table[key]
    table[place[-1]] = value
    return copy


async def look(good: str) -> None:
    """Everything that reads records, by somebody who has seen none of them."""
    provider = LocalProvider(Context("local", "local"))
    try:
        tasks = await provider.list_tasks()
        assert next(task for task in tasks if task.task_id == good).status is TaskStatus.COMPLETED
        for task in tasks:
            await provider.logs.addresses(task.task_id)
        await provider.volumes.list()
        await provider.reservations.list({})
        await provider.instances.find(InstanceRequirements())
    except FlowError as error:
        raise AssertionError(f"a neighbour was lost: {error}") from error
    finally:
        await provider.close()
