"""What there is to read: the facts of a task, and the audit log."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from testbed.bare_services import KEYS
from testbed.tables import each

from flow_core.models.task import TaskRecord, TaskStatus, VolumeMount
from flow_tui.panes.tasks.detail import TaskDetail
from flow_tui.panes.tasks.facts import collect_facts

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PENDING = TaskRecord("local", "task_1", "llama", TaskStatus.PENDING, command="python train.py", created_at=START)
RUNNING = replace(PENDING, status=TaskStatus.RUNNING, started_at=START + timedelta(minutes=3))
KILLED = replace(
    RUNNING,
    status=TaskStatus.FAILED,
    completed_at=START + timedelta(minutes=65),
    exit_code=137,
    message="out of memory",
)


def facts(task: TaskRecord, minutes: float = 5) -> dict[str, str]:
    return {row.label: row.value for row in collect_facts(task, KEYS, START + timedelta(minutes=minutes))}


@pytest.mark.usefixtures("in_tokyo")
def test_times_are_in_the_zone_of_whoever_reads() -> None:
    known = facts(KILLED)
    assert known["submitted"] == "2026-03-01 21:00:00 JST"
    assert known["ended"] == "2026-03-01 22:05:00 JST"


def test_durations_run_until_the_task_has_ended() -> None:
    assert facts(PENDING, minutes=2)["time in queue"] == "2m00s"
    running = facts(RUNNING, minutes=5)
    assert (running["time in queue"], running["run time"]) == ("3m00s", "2m00s")
    assert facts(KILLED, minutes=500)["run time"] == "1h02m"


def test_a_signal_is_named() -> None:
    assert facts(KILLED)["exit code"] == "137 (SIGKILL)"
    assert facts(replace(KILLED, exit_code=3))["exit code"] == "3"
    assert facts(replace(KILLED, exit_code=255))["exit code"] == "255"


def test_what_is_not_known_is_left_out() -> None:
    known = facts(PENDING)
    assert {"started", "ended", "exit code", "message", "owner", "region", "time limit"} & known.keys() == set()


def test_secrets_of_the_environment_are_hidden_and_the_rest_is_shown() -> None:
    env = {
        "EPOCHS": "3",
        "EMPTY": "",
        "WANDB_API_KEY": "a, b c",
        "hf_token": "abc",
        "DB_PASSWORD": "hunter2",
        "MY_CREDENTIALS": "x",
        "DATABASE_URL": "postgres://ann:hunter2@db/x",
        "OTHER": "ghp_abcdefghijklmnop1234",
    }
    known = facts(replace(PENDING, config={"env": env}))
    assert (known["EPOCHS"], known["EMPTY"]) == ("3", "(empty)")
    assert [known[name] for name in list(env)[2:6]] == ["[hidden]"] * 4
    assert known["DATABASE_URL"] == "postgres://[hidden]@db/x"
    assert known["OTHER"] == "[hidden]"


def test_everything_asked_for_is_there_and_secrets_of_the_provider_are_not() -> None:
    config = {"working_dir": "/w", "max_run_time_hours": 1.5, "priority": "high", "data_mounts": [], "env": {}}
    metadata = {"bid": {"limit": 2}, "api_token": "abc", "empty": None}
    known = facts(
        replace(
            RUNNING,
            config=config,
            provider_metadata=metadata,
            gpu_count=4,
            gpu_type="a100",
            num_instances=2,
            volumes=(VolumeMount("vol_1", "data", "/data"),),
        )
    )
    assert known["directory"] == "/w"
    assert known["time limit"] == "1h30m"
    assert known["priority"] == "high"
    assert known["GPUs"] == "4xA100"
    assert known["instances"] == "2 (ranks 0 and 1)"
    assert known["data"] == "/data"
    assert known["bid"] == '{"limit": 2}'
    assert known["api_token"] == "[hidden]"
    assert "empty" not in known
    assert "data_mounts" not in known


@each(
    ("field", "value"),
    [
        ("folder", "~/.local/state/flow/0c1f4a7be21d4b0f9a6ce35d80f7a914/lab/tasks/task_01hx"),
        ("working_dir", "/scratch/9f86d081884c7d659a2feaa0c55ad015/run"),
        ("gpus", "GPU-5d2f0a3c-9b1e-4c8a-b7e4-1d3f5a7c9e0b"),
        ("containers", "flow-0c1f4a7be21d4b0f9a6ce35d80f7a914"),
    ],
)
def test_identifiers_and_paths_of_the_program_are_no_secrets(field: str, value: str) -> None:
    assert facts(replace(KILLED, provider_metadata={field: value}))[field] == value


def test_an_image_is_shown_with_its_digest() -> None:
    image = "ghcr.io/org/train@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    assert facts(replace(KILLED, config={"image": image}))["image"] == image


def test_a_secret_stays_hidden_in_a_path_and_under_a_name_that_a_user_chose() -> None:
    random = "9f86d081884c7d659a2feaa0c55ad015"
    metadata = {"folder": "/w/ghp_abcdefghijklmnop1234/x", "remote": random}
    known = facts(replace(KILLED, config={"env": {"folder": random}}, provider_metadata={"path": "https://a:b@h/"}))
    assert (known["folder"], known["path"]) == ("[hidden]", "https://[hidden]@h/")
    known = facts(replace(KILLED, provider_metadata=metadata))
    assert (known["folder"], known["remote"]) == ("/w/[hidden]/x", "[hidden]")


def test_ports_are_shown_as_the_addresses_at_which_they_are_reached() -> None:
    known = facts(replace(RUNNING, endpoints={"8080": "http://127.0.0.1:8080"}))
    assert known["port 8080"] == "http://127.0.0.1:8080"


def test_attempts_are_counted_as_people_count() -> None:
    assert "attempt" not in facts(RUNNING)
    assert facts(replace(RUNNING, attempt=1))["attempt"] == "2 (started again)"


def test_nothing_is_billed_only_where_no_price_is_known() -> None:
    assert facts(RUNNING)["price"] == "none (this context bills nothing)"
    paid = facts(replace(RUNNING, price_usd_per_hour=Decimal("9.84"), cost_usd=Decimal("1041.2")))
    assert (paid["price"], paid["cost so far"]) == ("$9.84/h", "$1,041.20")


def test_an_endless_command_is_cut_with_a_word_about_it() -> None:
    shown = facts(replace(PENDING, command="x" * 50_000))["command"]
    assert shown.endswith("… and 30,000 more characters")
    assert len(shown) < 21_000


async def test_foreign_text_is_shown_as_it_is(ask: Any) -> None:
    nasty = "[red]x[/\x1b[2J\x07"
    task = replace(PENDING, name=nasty, command=f"{nasty}\n{nasty}", message=nasty, config={"env": {"A": nasty}})
    async with ask(TaskDetail(task, KEYS), size=(120, 36)) as question:
        assert question.text.count("[red]x[/␛[2J␇") == 6
        assert "\x1b" not in question.text


@pytest.mark.parametrize("key", ["escape", "q", "d"])
async def test_it_closes(ask: Any, key: str) -> None:
    async with ask(TaskDetail(PENDING, KEYS)) as question:
        await question.press(key)
        assert question.answers == [None]


async def test_news_of_the_task_is_shown_and_the_place_is_kept(ask: Any) -> None:
    detail = TaskDetail(replace(RUNNING, command="\n".join(f"line {n}" for n in range(40))), KEYS)
    async with ask(detail, size=(60, 15)) as question:
        await question.press(*["reader.down"] * 4)
        place = detail.scrolled.scroll_offset
        assert place.y == 4
        detail.update(replace(detail._record, message="step 7"))
        await question.until(lambda: any(row.value == "step 7" for row in detail.rows))
        assert detail.scrolled.scroll_offset == place
        detail.update(replace(KILLED, command=detail._record.command))
        await question.press("reader.top")
        await question.shows("137 (SIGKILL)")
        assert "✖ failed" in question.text


async def test_news_of_another_task_is_not_shown(ask: Any) -> None:
    detail = TaskDetail(RUNNING, KEYS)
    async with ask(detail) as question:
        detail.update(replace(KILLED, task_id="task_2"))
        await question.pilot.pause()
        assert "● running" in question.text


async def test_a_running_task_grows_older_while_it_is_looked_at(ask: Any) -> None:
    detail = TaskDetail(replace(RUNNING, started_at=datetime.now(UTC)), KEYS)
    async with ask(detail, size=(120, 36)) as question:

        def seconds() -> int:
            return int(next(iter(re.findall(r"run time +(\d+)s", question.text)), "0"))

        first = seconds()
        await question.until(lambda: seconds() > first)


@pytest.mark.parametrize("size", [(120, 36), (80, 24), (60, 15)])
async def test_the_end_can_be_reached_and_the_keys_stay_in_view(ask: Any, size: tuple[int, int]) -> None:
    task = replace(RUNNING, command="\n".join(f"line {n}" for n in range(100)))
    async with ask(TaskDetail(task, KEYS), size=size) as question:
        assert "esc d close" in question.text
        await question.press("pagedown")
        assert question.app.screen.scrolled.scroll_y >= size[1] - 6
        await question.press("reader.bottom")
        await question.shows("none (this context bills nothing)")
        assert "esc d close" in question.text


def test_an_attempt_is_told_of_those_that_were_asked_for() -> None:
    assert facts(replace(RUNNING, config={"retries": {"max_retries": 3}}))["attempt"] == "1 of 4"
    assert facts(replace(RUNNING, attempt=1, config={"retries": 3}))["attempt"] == "2 of 4"
    assert "attempt" not in facts(replace(RUNNING, config={"retries": {"max_retries": 0}}))


def test_mounts_are_shown_by_target_and_a_copy_is_called_one() -> None:
    mounts = [
        {"source": "s3://bucket/data", "target": "/data"},
        {"source": "https://ann:hunter2@host/x", "target": "/x"},
        {"source": "volume://ckpt", "target": "/ckpt"},
    ]
    known = facts(replace(RUNNING, config={"data_mounts": mounts}))
    assert (known["/data"], known["/ckpt"]) == ("s3://bucket/data (a copy)", "volume://ckpt")
    assert known["/x"] == "https://[hidden]@host/x"


def test_image_reservation_and_machines_are_facts_of_a_task() -> None:
    known = facts(replace(RUNNING, instances=("i-1", "i-2"), config={"image": "a/b:1", "reservation_id": "res_1"}))
    assert (known["image"], known["reservation"], known["machines"]) == ("a/b:1", "res_1", "i-1, i-2")
    assert not {"image", "reservation", "machines", "instances"} & facts(RUNNING).keys()


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_a_long_label_never_runs_into_its_value(ask: Any, size: tuple[int, int]) -> None:
    metadata = {"instance_status": "STATUS_RUNNING", "an_option_with_a_name_of_its_own_and_more": "value-of-it"}
    task = replace(RUNNING, provider_metadata=metadata, config={"env": {"NCCL_IB_HCA_AND_ITS_PORTS": "mlx5"}})
    async with ask(TaskDetail(task, KEYS), size) as question:
        await question.press("reader.bottom")
        rows = question.rows
        (status,) = [row for row in rows if "STATUS_RUNNING" in row]
        assert re.search("instance_status {2,}STATUS_RUNNING", status)
        (long,) = [row for row in rows if "value-of-it" in row]
        assert "  value-of-it" in long
        assert re.search("NCCL_IB_HCA_AND_ITS_PORTS {2,}mlx5", question.text)
        columns = {row.index(value) for row in rows for value in ("STATUS_RUNNING", "value-of-it") if value in row}
        assert len(columns) == 1
