"""Machines that answer with anything: one record counts as broken, one machine as unreadable, and all others go on."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from testbed.hostile_agent import FACTS, HostileHost, greeting
from testbed.properties import limit_examples
from testbed.tables import each

from flow_core.agent.capacity.reservation_report import ReservationReport
from flow_core.agent.protocol import MOST_BYTES, encode_frame
from flow_core.agent.pruning.selection import EndedTask, PruningRefusal
from flow_core.agent.task_report import TaskReport
from flow_core.agent.volumes import StoredVolume
from flow_core.config import Context
from flow_core.errors import FlowError, ProviderError, Unreachable
from flow_core.models.instance import InstanceRequirements
from flow_core.models.reservation_spec import ReservationSpec
from flow_core.models.task import TaskStatus
from flow_core.models.task_config import TaskConfig
from flow_core.providers.contract.listing import find_unreadable
from flow_core.providers.hosts.bootstrap_main import ARCHIVE_REQUEST, READY
from flow_core.providers.hosts.provider import HostsProvider

GOOD, BAD = "task_goodgoodgo", "task_badbadbadb"
ID = "vol_aaaaaaaaaa"
HOSTILE: list[Any] = [
    *(None, True, -1, 5, 10**18, 10**400, 1e30, 1e300, "", "abc", "\x1b[31m\x07", "x" * 5000, "../../../../tmp/x"),
    *([], [1], [[]], {}, {"a": []}, [None], "9999-12-31T23:59:59-23:59", 2**31, 253402300799, ["a", "b", "c"]),
]
IN_FRAMES = [value for value in HOSTILE if value != 10**400]  # with that the whole frame is none
TASK = TaskReport(BAD, "train", "running", "true", 1.8e9, 1.8e9, owner="ada", ports=(8080,), folder="/x", seq=1)
VOLUME = StoredVolume(ID, "data", 1, "file", "", 1.8e9, 1, (), "/v")
HOLD = ReservationReport(
    "res_aaaaaaaaaa", "active", "_hosts", owner="ada", name="n", instance_type="1xa100", quantity=1
)
ENDED = EndedTask(BAD, "train", "completed", 1.8e9, 1000)
GPU = {"gpu_id": "GPU-1", "model": "NVIDIA A100-SXM4-80GB", "memory_bytes": 80 << 30}
WORKER = {"gpu_id": "GPU-1", "user": "ada", "program": "/usr/bin/python"}
MACHINE: dict[str, Any] = {
    **{"system": "Linux", "cpus": 8, "memory_bytes": 1 << 34, "free_memory_bytes": 1 << 33, "load": 0.5},
    **{"free_disk_bytes": 1 << 40, "gpus": [GPU], "is_driver_silent": False, "held": {}, "reserved": []},
    **{"waiting": 0, "running": 1, "workers": [WORKER]},
}
CHANGES: dict[str, Any] = {
    **{"look": 1, "process": "ab", "is_all": True, "tasks": [TASK._asdict()], "gone": []},
    "earlier": {"count": 2, "folder": "/old"},
}
SOUND: dict[str, Any] = {
    "changes": CHANGES,
    "task": TASK._asdict(),
    "facts": MACHINE,
    "volumes": {"volumes": [VOLUME._asdict()], "unreadable": []},
    "make_volume": VOLUME._asdict(),
    "reservations": [HOLD._asdict()],
    "reservation": HOLD._asdict(),
    "make_reservation": HOLD._asdict(),
    "openings": [{"start": 1.8e9, "end": 1.9e9, "free": 1}],
    "plan_pruning": {"tasks": [ENDED._asdict()], "kept": [], "refused": []},
    "prune": {"removed": [ENDED._asdict()], "kept": [], "refused": [PruningRefusal(BAD, "broken", "x")._asdict()]},
    "submit": TASK._asdict(),
    "take_pruning_turn": True,
}
BOUNDED = limit_examples(20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(list(CHANGES)), inner, max_size=3),
    max_leaves=9,
)


class World:
    """Two machines: the first is sound and has one task, the other is as a test has it."""

    def __init__(self, host: HostileHost) -> None:
        tasks = [TASK._replace(task_id=GOOD)._asdict()]
        volumes = {"volumes": [VOLUME._replace(volume_id="vol_bbbbbbbbbb", name="good")._asdict()], "unreadable": []}
        good = SOUND | {"changes": {**CHANGES, "tasks": tasks, "earlier": {}}, "task": tasks[0], "volumes": volumes}
        self.hostile = host
        self.provider = HostsProvider(Context("lab", "hosts", {"hosts": ["m0", "m1"]}))
        for view, side in zip(self.provider._tasks.hosts, (HostileHost(ok(good)), host), strict=True):
            view.agent._pool = side  # type: ignore[assignment]

    async def look(self) -> dict[str, Any]:
        """Everything that reads answers. The sound machine's task and volume must be there whatever the other says."""
        provider = self.provider
        try:
            listed = await provider.list_tasks()
            found = {record.task_id: record for record in listed}
            assert found[GOOD].status is TaskStatus.RUNNING
            await provider.logs.addresses(GOOD)
            volumes = await provider.volumes.list()
            assert "vol_bbbbbbbbbb" in {volume.volume_id for volume in volumes}
            rows = await provider.instances.find(InstanceRequirements())
            assert [row.allocation_id for row in rows] == ["m0", "m1"]
            held = await provider.reservations.list({})
            plan = await provider.pruning.plan(1, None)
            await self._ask_the_other()
            return {"tasks": found, "unreadable": find_unreadable(listed), "plan": plan} | {
                "volumes": find_unreadable(volumes),
                "reservations": find_unreadable(held),
                "rows": rows,
            }
        finally:
            await provider.close()

    async def _ask_the_other(self) -> None:
        """What has to do with one machine may fail, as anything does that fails."""
        provider = self.provider
        await _fails_at_most(provider.get_task(BAD))
        await _fails_at_most(provider.cancel_task(BAD))
        await _fails_at_most(provider.logs.addresses(BAD))
        await _fails_at_most(provider._locator.locate(BAD, 0))
        await _fails_at_most(provider.volumes.create(1, "new", "file", "m1"))
        await _fails_at_most(provider.volumes.attach(ID, BAD, None))
        await _fails_at_most(provider.volumes.delete(ID))
        wish = ReservationSpec.parse({"instance_type": "a100", "region": "m1", "duration_hours": 1})
        await _fails_at_most(provider.reservations.create(wish))
        await _fails_at_most(provider.reservations.get(HOLD.reservation_id))
        await _fails_at_most(provider.reservations.availability({"instance_type": "a100", "region": "m1"}))
        await _fails_at_most(self._prune())
        config = TaskConfig.parse({"command": "true", "upload_code": False, "region": "m1", "instance_type": "a100"})
        await _fails_at_most(provider.submit(config))

    async def _prune(self) -> None:
        plan = await self.provider.pruning.plan(None, None, [BAD])
        self.provider.pruning.describe(plan)
        await self.provider.pruning.prune(plan)


def ok(answers: dict[str, Any]) -> dict[str, list[Any] | bytes]:
    return {call: ["ok", answer] for call, answer in answers.items()}


def look(answers: dict[str, Any] | None = None, first: bytes | None = None, **raw: Any) -> dict[str, Any]:
    """`raw` are whole answers."""
    return asyncio.run(World(HostileHost({**ok(SOUND | (answers or {})), **raw}, first)).look())


async def _fails_at_most(asked: Awaitable[Any]) -> None:
    with suppress(FlowError):
        await asked


def test_a_sound_answer_is_understood() -> None:
    """Else the others would prove nothing."""
    found = look()
    assert found["tasks"][BAD].status is TaskStatus.RUNNING
    assert [row.status for row in found["rows"]] == ["busy", "busy"]
    (sentence,) = found["unreadable"]
    assert sentence.startswith("m1: an earlier flow left 2 tasks in /old, which this one can't read; cancel them with")
    assert found["volumes"] == found["reservations"] == ()


@given(st.dictionaries(st.sampled_from(TaskReport._fields[1:]), st.sampled_from(IN_FRAMES), min_size=1, max_size=3))
@example({"created_at": 0, "submitted_at": 253402300799})
@example({"ranks": "abc"})
@example({"config": {"idempotency_key": []}})
@example({"part": 1, "parts": 2})
@BOUNDED
def test_anything_in_a_report_is_at_most_one_broken_task(fields: dict[str, Any]) -> None:
    record = TASK._asdict() | fields
    found = look({"changes": {**CHANGES, "tasks": [record]}, "task": record, "submit": record})["tasks"]
    bad = found[BAD]
    assert bad.status is TaskStatus.RUNNING or bad.message.startswith("its record is broken: ")


@given(st.sampled_from(list(CHANGES)), st.sampled_from(HOSTILE))
@example("earlier", {"count": 10**400})
@example("tasks", [{"task_id": []}])
@BOUNDED
def test_anything_among_the_changes_is_at_most_one_unreadable_machine(name: str, value: Any) -> None:
    assert len(look({"changes": CHANGES | {name: value}})["unreadable"]) <= 1


@given(st.sampled_from(sorted(SOUND)), JSON | st.sampled_from(HOSTILE))
@example("make_volume", {})
@example("make_reservation", {})
@example("openings", [1])
@example("plan_pruning", [])
@BOUNDED
def test_any_answer_to_any_question_leaves_the_other_machine_alone(call: str, answer: Any) -> None:
    look({call: answer})


@given(st.sampled_from(sorted(MACHINE)), st.sampled_from(HOSTILE))
@BOUNDED
def test_anything_that_a_machine_says_of_itself_leaves_its_tasks_alone(name: str, value: Any) -> None:
    assert BAD in look({"facts": MACHINE | {name: value}})["tasks"]


@given(st.sampled_from(["gpus", "workers"]), st.sampled_from([*GPU, *WORKER]), st.sampled_from(HOSTILE))
@BOUNDED
def test_anything_in_a_gpu_or_a_process_leaves_its_tasks_alone(which: str, name: str, value: Any) -> None:
    row = (GPU if which == "gpus" else WORKER) | {name: value}
    assert BAD in look({"facts": MACHINE | {which: [row]}})["tasks"]


@given(st.sampled_from(StoredVolume._fields), st.sampled_from(HOSTILE))
@example("name", "../../x")
@BOUNDED
def test_anything_in_a_volume_is_at_most_one_unreadable_volume(name: str, value: Any) -> None:
    row = VOLUME._asdict() | {name: value}
    assert len(look({"volumes": {"volumes": [row], "unreadable": []}, "make_volume": row})["volumes"]) <= 1


@given(st.sampled_from(ReservationReport._fields), st.sampled_from(HOSTILE))
@BOUNDED
def test_anything_in_a_reservation_is_at_most_one_unreadable_reservation(name: str, value: Any) -> None:
    row = HOLD._asdict() | {name: value}
    answers = {"reservations": [row], "reservation": row, "make_reservation": row}
    assert len(look(answers)["reservations"]) <= 1


@given(st.sampled_from(EndedTask._fields), st.sampled_from(HOSTILE))
@BOUNDED
def test_anything_in_a_pruning_stops_no_other_machine(name: str, value: Any) -> None:
    row = ENDED._asdict() | {name: value}
    answers = {"plan_pruning": {"tasks": [row], "kept": [row], "refused": []}, "prune": {"removed": [row]}}
    look(answers)


@pytest.mark.parametrize("answer", [[], {"tasks": 5}, {"tasks": [{}]}], ids=str)
async def test_a_pruning_plan_leaves_out_a_machine_with_an_invalid_answer(answer: Any) -> None:
    over = TASK._replace(status="completed", completed_at=1.7e9)
    world = World(HostileHost(ok(SOUND | {"changes": CHANGES | {"tasks": [over._asdict()]}, "plan_pruning": answer})))
    good = world.provider._tasks.hosts[0].agent._pool
    assert isinstance(good, HostileHost)
    good.answers |= ok(
        {
            "changes": CHANGES | {"tasks": [over._replace(task_id=GOOD)._asdict()]},
            "plan_pruning": SOUND["plan_pruning"] | {"tasks": [ENDED._replace(task_id=GOOD)._asdict()]},
        }
    )
    try:
        plan = await world.provider.pruning.plan(1, None)
        assert [task.task_id for task in plan.tasks] == [GOOD]
    finally:
        await world.provider.close()


@given(st.sampled_from(list(FACTS)), st.sampled_from(HOSTILE))
@example("protocol", True)
@BOUNDED
def test_anything_in_a_greeting_is_at_most_one_unreadable_machine(name: str, value: Any) -> None:
    assert len(look(first=greeting(FACTS | {name: value}))["unreadable"]) <= 1


ANSWERS: list[Any] = [
    *([], ["ok"], ["refused"], ["refused", 5, {}], ["refused", "x", []], ["refused", "no_task", {"task_id": []}]),
    *(["refused", "\x1b[31m" * 99, {}], ["failed"], ["failed", []], ["failed", "x" * 9999], ["perhaps", 1], [None]),
]


@each("answer", ANSWERS, ids=lambda answer: str(answer)[:20])
def test_an_invalid_answer_is_an_error_of_that_machine_and_not_an_empty_list(answer: list[Any]) -> None:
    (sentence,) = look(changes=answer, task=answer, facts=answer, volumes=answer)["unreadable"]
    assert sentence.startswith("m1: ")
    assert sentence.isprintable()


GARBAGE = {
    "no JSON": (5).to_bytes(4, "big") + b"[1,2,",
    "no list": (2).to_bytes(4, "big") + b"{}",
    "an empty list": (2).to_bytes(4, "big") + b"[]",
    "too long": (MOST_BYTES + 1).to_bytes(4, "big"),
    "too deep": (400_000).to_bytes(4, "big") + b"[" * 400_000,
    "no number": (5).to_bytes(4, "big") + b"[NaN]",
    "text": b"Last login: today\n",
}


@each("output", GARBAGE.values(), ids=GARBAGE)
def test_invalid_frames_are_an_error_of_that_machine(output: bytes) -> None:
    (sentence,) = look(changes=output)["unreadable"]
    assert sentence.startswith("m1: 'm1' did not answer as an agent does: ")


STARTS = {
    "text": b"Welcome!\n",
    "the archive requested twice": ARCHIVE_REQUEST + ARCHIVE_REQUEST,
    "another line": READY[:-1] + b"!\n",
    "an answer instead of a greeting": READY + encode_frame([1, "ok", None]),
    "a greeting without facts": READY + encode_frame(["agent"]),
    "a greeting of facts that are none": READY + encode_frame(["agent", 5]),
    "garbage": READY + b"\xff" * 99,
}


@each("first", STARTS.values(), ids=STARTS)
def test_an_invalid_start_is_an_error_of_that_machine(first: bytes) -> None:
    (sentence,) = look(first=first)["unreadable"]
    assert sentence.startswith("m1: 'm1' did not answer as an agent does: ")


ENDS = [
    (
        41,
        b"",
        "'m1' has no Python 3.8 or newer, neither on its PATH nor where conda, pyenv, uv and /opt have it; install",
    ),
    (42, b"", "the python: of 'm1' is no Python 3.8 or newer there; name another, or leave it out"),
    (43, b"/x is Python 3.6", "the agent on 'm1' needs Python 3.8 or newer: /x is Python 3.6; name another by python:"),
    (44, b"others can write to '/x'", "'m1' can't keep tasks safely: others can write to '/x'"),
    (45, b"Input/output error (/x)", "the agent can't be put on 'm1': Input/output error (/x); try again"),
    (45, b"x: No space left on device", "there is no room on the disk of 'm1'; make room there, and try again"),
    (
        126,
        b"sh: /x: Permission denied",
        "the Python of 'm1' could not start the agent and ended with exit code 126, sh:",
    ),
    (
        1,
        b"Traceback:\n\x1b[2J\nKeyError: 'x'",
        "the Python of 'm1' could not start the agent and ended with exit code 1, K",
    ),
]


@pytest.mark.parametrize(("code", "output", "sentence"), ENDS, ids=lambda value: str(value)[:9])
async def test_a_start_that_fails_says_why(code: int, output: bytes, sentence: str) -> None:
    world = World(HostileHost({}, b""))
    world.hostile.exit_code, world.hostile.stderr = code, output
    try:
        with pytest.raises(ProviderError) as refused:
            await world.provider._tasks.hosts[1].agent.call("facts")
        assert str(refused.value).startswith(sentence)
        assert len(world.hostile.commands) == 1
    finally:
        await world.provider.close()


async def test_an_agent_that_is_killed_at_its_start_is_started_once_more() -> None:
    world = World(HostileHost({}, b""))
    world.hostile.exit_code = 137
    try:
        with pytest.raises(Unreachable, match="the agent on 'm1' was ended while it was started; try again"):
            await world.provider._tasks.hosts[1].agent.call("facts")
        assert len(world.hostile.commands) == 2
    finally:
        await world.provider.close()


@each(("version", "advice"), [(2, "update flow here"), (0, "remove /root/x/bin there")])
def test_an_agent_of_another_protocol_says_what_to_do(version: int, advice: str) -> None:
    (sentence,) = look(first=greeting(FACTS | {"protocol": version}))["unreadable"]
    assert f"speaks version {version} of its protocol, and this flow speaks version 1: {advice}" in sentence


def test_a_call_that_an_agent_does_not_know_says_what_to_do() -> None:
    (sentence,) = look(changes=["refused", "unknown_call", {"call": "changes"}])["unreadable"]
    assert "the agent on 'm1' does not know the call changes: it is older than this flow; close every flow" in sentence


async def test_if_no_machine_can_be_read_the_list_fails_until_one_recovers() -> None:
    side = HostileHost(ok(SOUND) | {"changes": ["ok", []]})
    provider = HostsProvider(Context("lab", "hosts", {"hosts": ["m1"]}))
    (view,) = provider._tasks.hosts
    view.agent._pool = side  # type: ignore[assignment]
    try:
        with pytest.raises(ProviderError, match="sent a malformed list of tasks"):
            await provider.list_tasks()
        side.answers["changes"] = ["ok", CHANGES]
        view._not_before = 0.0
        assert [record.task_id for record in await provider.list_tasks()] == [BAD]
    finally:
        await provider.close()


@pytest.mark.parametrize("value", [math.nan, math.inf, "x" * (MOST_BYTES + 1)], ids=["nan", "inf", "too long"])
async def test_a_message_that_can_not_be_sent_is_refused_and_harms_no_later_one(value: Any) -> None:
    world = World(HostileHost(ok(SOUND)))
    agent = world.provider._tasks.hosts[1].agent
    try:
        with pytest.raises(ProviderError, match=r"^the request can't be sent to 'm1': the message"):
            await agent.call("facts", gpus=[value])
        assert await agent.call("facts") == MACHINE
    finally:
        await world.provider.close()


async def test_an_agent_that_ends_at_every_call_counts_as_unreachable() -> None:
    world = World(HostileHost(ok(SOUND) | {"facts": b""}))
    agent = world.provider._tasks.hosts[1].agent
    try:
        with pytest.raises(Unreachable, match=r"^the agent on 'm1' has ended$"):
            await agent.call("facts")
        assert world.hostile.calls == ["facts", "facts"]
    finally:
        await world.provider.close()
