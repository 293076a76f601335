"""Machines that answer with anything: one record counts as broken, one machine as unreadable, and all others go on."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from flow_core.errors import FlowError, ProviderError
from flow_core.models.instance import InstanceRequirements
from flow_core.models.task import TaskStatus
from flow_core.providers.base import unreadable_in
from flow_core.providers.hosts.far import FarHost
from flow_core.providers.hosts.instances import HostInstances
from flow_core.providers.hosts.machines import Machine
from flow_core.providers.hosts.places import HostLogs
from flow_core.providers.hosts.provider import HostsProvider
from flow_core.providers.hosts.shelf import TaskShelf
from flow_core.providers.hosts.view import HostView
from flow_core.providers.hosts.volumes import HostVolumes
from flow_core.ssh.command import Outcome
from flow_core.ssh.settings import HostSettings

GOOD, BAD = "task_goodgoodgo", "task_badbadbadb"
RECORD: dict[str, Any] = {
    **{"version": 1, "name": "train", "command": "true", "created_at": 1.8e9, "rank": 0, "ranks": 1},
    **{"instance_type": "cpu", "gpu_type": None, "gpu_count": 0, "owner": "ada", "ports": [8080], "config": {}},
}
VOLUME = {"version": 1, "name": "data", "size_gb": 1, "interface": "file", "created_at": 1.8e9}
STATE = "running 0 1800000001 - - - 77 "
HOSTILE: list[Any] = [
    *(None, True, -1, 5, 10**18, 10**400, 1e30, 1e300, float("inf"), float("nan"), "", "abc", "\x1b[31m\x07"),
    *("x" * 5000, "../../../../tmp/x", [], [1], [[]], {}, {"a": []}, [None], "9999-12-31T23:59:59-23:59", 2**31),
]
WORDS = [
    "",
    "-",
    "nan",
    "inf",
    "-1",
    "1e300",
    "1e999",
    "0x10",
    "١٢",
    "9" * 5000,
    "running",
    "x" * 300,
    "\x1b[2J",
    "a,b",
]
DEEP = "[" * 200_000
FACTS = [
    *(
        "G GPU-1, 81920, 00000000:01:00.0, 550.1, NVIDIA A100",
        "P ada GPU-1, 77, 512, /usr/bin/python",
        "L GPU-1 task_x",
    ),
    *(
        "K MemTotal: 1000 kB",
        "K MemAvailable: 500 kB",
        "K hw.memsize: 1000",
        "C 8",
        "W 1 2",
        "O 0.50",
        "D 1000",
        "N Linux",
    ),
]


class FarSide:
    """What a machine answers, instead of its SSH server."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.settings = HostSettings("one", "10.0.0.7", "ada")

    async def find(self, name: str, **_: Any) -> FarSide:
        return self

    def of(self, _: HostSettings) -> FarSide:
        return self

    async def run(self, *_: Any, **__: Any) -> Outcome:
        return Outcome(0, self.answer, b"")


class World:
    """Two machines: the first is sound and has one task and one volume."""

    def __init__(self, second: bytes) -> None:
        self.hostile = FarSide(second)
        sides = (FarSide(tell(task(GOOD), f"V vol_aaaaaaaaaa {json.dumps(VOLUME)}")), self.hostile)
        fars = [FarHost(Machine(f"m{number}"), side) for number, side in enumerate(sides)]  # type: ignore[arg-type]
        self.tasks = TaskShelf("lab", [HostView("lab", far) for far in fars])
        self.provider = HostsProvider.__new__(HostsProvider)
        vars(self.provider)["_tasks"] = self.tasks

    async def look(self) -> dict[str, Any]:
        """Everything that reads answers. The sound machine's task and volume must be there whatever the other says."""
        listed = await self.provider.list_tasks()
        found = {record.task_id: record for record in listed}
        assert found[GOOD].status is TaskStatus.RUNNING
        for task_id in found:
            try:
                await HostLogs("lab", self.tasks).addresses(task_id)
            except FlowError:
                assert task_id != GOOD
        volumes = await HostVolumes("lab", self.tasks).list()
        assert "vol_aaaaaaaaaa" in {volume.volume_id for volume in volumes}
        await HostInstances("lab", self.tasks).find(InstanceRequirements())
        return {"tasks": found, "unreadable": unreadable_in(listed), "volumes": unreadable_in(volumes)}


def tell(*lines: str) -> bytes:
    return "\n".join(["H /root", *lines, "Z - 1", ".", ""]).encode("utf-8", "surrogatepass")


def task(task_id: str, record: str = json.dumps(RECORD), state: str = STATE, started: str = "1800000000 /w") -> str:
    return f"R {task_id} {record}\nA {task_id} {started}\nS {task_id} {state}"


def look(second: bytes) -> dict[str, Any]:
    return asyncio.run(World(second).look())


BOUNDED = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@given(st.sampled_from(list(RECORD)), st.sampled_from(HOSTILE))
@example("ranks", "abc")
@example("rank", [1])
@example("created_at", None)
@example("created_at", 1e30)
@example("ports", 5)
@BOUNDED
def test_anything_in_a_record_is_at_most_one_broken_task(name: str, value: Any) -> None:
    found = look(tell(task(BAD, json.dumps(RECORD | {name: value}))))["tasks"]
    bad = found[BAD]
    assert bad.status is TaskStatus.RUNNING or bad.message.startswith("its record is broken: ")


@pytest.mark.parametrize("record", [DEEP, '{"a":' * 50_000, "", "null", "[]", '{"version": 2}', '{"version": 1}'])
def test_a_record_that_is_none_is_one_broken_task(record: str) -> None:
    found = look(tell(task(BAD, record)))["tasks"]
    assert found[BAD].status is TaskStatus.FAILED
    assert found[BAD].message.startswith("its record is broken: ")


@given(st.lists(st.sampled_from(WORDS), min_size=0, max_size=9), st.lists(st.sampled_from(WORDS), max_size=3))
@example(["running", "1e300"], ["nan"])
@BOUNDED
def test_anything_in_a_state_is_at_most_one_broken_task(state: list[str], started: list[str]) -> None:
    found = look(tell(task(BAD, state=" ".join(state), started=" ".join(started))))["tasks"]
    assert set(found) == {GOOD, BAD}


@given(st.sampled_from(["V", "M", "Y"]), st.sampled_from(list(VOLUME)), st.sampled_from(HOSTILE))
@example("V", "name", "../../x")
@BOUNDED
def test_anything_in_a_volume_is_at_most_one_unreadable_volume(letter: str, name: str, value: Any) -> None:
    line = f"{letter} {BAD if letter == 'M' else 'vol_bbbbbbbbbb'} {json.dumps(VOLUME | {name: value})}"
    look(tell(task(BAD), line))


@given(
    st.lists(st.sampled_from("HRMASUVYZELNCKODGPWX"), max_size=6), st.lists(st.sampled_from([*WORDS, BAD]), max_size=6)
)
@BOUNDED
def test_anything_in_an_answer_leaves_the_other_machine_alone(letters: list[str], words: list[str]) -> None:
    lines = [f"{letter} {' '.join(words[number:])}" for number, letter in enumerate(letters)]
    look("\n".join([*lines, ".", ""]).encode())


@pytest.mark.parametrize("line", FACTS)
def test_anything_that_a_machine_says_of_itself_leaves_its_tasks_alone(line: str) -> None:
    for word in re.finditer(r"[^ ,]+", line[2:]):
        for value in WORDS:
            said = line[: 2 + word.start()] + value + line[2 + word.end() :]
            assert set(look(tell(task(BAD), said))["tasks"]) == {GOOD, BAD}, said


@pytest.mark.parametrize(
    "answer", [b"", b".\n", b"E\n.\n", b"E \n.\n", b"H /root\n.\n", b"Z - 1\n.\n", b"\xff" * 99, b"E held\n.\n"]
)
def test_an_answer_that_is_none_is_an_error_of_that_machine_and_not_an_empty_list(answer: bytes) -> None:
    seen = look(answer)
    assert len(seen["unreadable"]) == 1
    assert seen["unreadable"][0].startswith("m1: ")


@pytest.mark.parametrize("answer", [b".\n", b"E\n.\n", b"nonsense"])
async def test_where_no_machine_can_be_read_that_is_the_answer_and_it_recovers(answer: bytes) -> None:
    side = FarSide(answer)
    view = HostView("lab", FarHost(Machine("m1"), side))  # type: ignore[arg-type]
    shelf = TaskShelf("lab", [view])
    with pytest.raises(ProviderError):
        await shelf.all()
    side.answer = tell(task(GOOD))
    view._not_before = 0.0
    assert [record.task_id for record in await shelf.all()] == [GOOD]
