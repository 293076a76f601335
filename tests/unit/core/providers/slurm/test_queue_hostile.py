"""Clusters that print anything: the list of tasks can still be read, and nothing in it controls the terminal."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import example, given
from hypothesis import strategies as st
from testbed.properties import limit_examples

from flow_core.models.task import TaskRecord
from flow_core.providers.slurm.queue import sacct
from flow_core.providers.slurm.queue.job import Job
from flow_core.providers.slurm.queue.job_table import JobTable
from flow_core.providers.slurm.queue.own_runs import OwnRuns
from flow_core.providers.slurm.queue.poll_script import PollAnswer
from flow_core.providers.slurm.queue.record_cache import RecordCache
from flow_core.providers.slurm.queue.sacct import SacctDecoder
from flow_core.providers.slurm.queue.squeue import SqueueDecoder
from flow_core.providers.slurm.task_conversion import Surroundings

TOKEN = "z0123456789"
FIXED, FREE = 25, 8
FIELDS = st.one_of(
    st.text(max_size=12),
    st.integers(-5, 10**25).map(str),
    st.sampled_from(
        [
            *("RUNNING", "PENDING", "FAILED", "COMPLETING", "CANCELLED by 7", "REQUEUE_HOLD", "N/A", "(null)", "0:9"),
            *("1-3%2", "[0-9]", "0-99", "gres:gpu:a100:4", "cpu=1,mem=9P,gres/gpu=x", "n[1-99999999]", "1-0:0:0"),
            *("2026-11-30T08:01:50", "9999-12-31T23:59:59", "QOSMaxGRESPerUser", "afterok:1?after:2+"),
            *("ReqNodeNotAvail, x", "ReqNodeNotAvail, UnavailableNodes:a[1-9]"),
            *("\x1b[2J", "\u202e", "x" * 5000, "flow:abcdef012345"),
        ]
    ),
)  # fmt: skip


def convert(jobs: list[Job]) -> tuple[TaskRecord, ...]:
    table = JobTable()
    table.set_queue(jobs, "ada")
    table.set_queue([replace(job, reason="None") for job in jobs[1:]], "ada")
    cache = RecordCache(table, OwnRuns())
    cache.refresh(table.take_changed(), Surroundings("lab", own_user="ada"))
    return cache.rows


def check(records: tuple[TaskRecord, ...]) -> None:
    for record in records:
        shown = (record.name, record.region, record.owner, record.instance_type, record.command, record.message)
        assert all(text.isprintable() and len(text) < 2000 for text in (*shown, *record.instances)), record
        assert record.exit_code is None or record.is_terminal or record.elements


@limit_examples(200)
@given(
    st.integers(1, 10**9).map(str),
    st.lists(FIELDS, min_size=FIXED - 2, max_size=FIXED),
    st.lists(FIELDS, min_size=FREE, max_size=FREE),
)
@example("1", ["1", "0-999999999", "PENDING", *["0"] * 20], ["x"] * FREE)
def test_squeue_may_print_anything(job_id: str, fixed: list[str], free: list[str]) -> None:
    record = TOKEN.join([job_id, "|".join(fixed), *free]) + TOKEN + "\n"
    decoder = SqueueDecoder()
    jobs = asyncio.run(decoder.decode(f"junk\n{record}{record}more {record}", TOKEN))
    assert len(jobs) + decoder.unreadable >= 1
    check(convert(jobs))


@limit_examples(200)
@given(st.lists(FIELDS, min_size=len(sacct.FIELDS), max_size=len(sacct.FIELDS)))
def test_sacct_may_print_anything(fields: list[str]) -> None:
    record = TOKEN.join(fields) + TOKEN + "\n"
    check(convert(list(SacctDecoder().decode(record + "7" + record, TOKEN))))


@limit_examples(100)
@given(st.text(max_size=200), st.dictionaries(st.none() | st.integers(0, 9), st.lists(st.text(max_size=30))))
def test_the_files_of_runs_may_contain_anything(text: str, lines: dict[int | None, list[str]]) -> None:
    runs, table = OwnRuns(), JobTable()
    good = '{"name": "\\u001b[2J", "command": "x", "array": "0-99", "submitted_at": 1e300}'
    for submission in (text, good, good.replace("1e300", "2000000000"), "[]", '{"name": {}}'):
        links = {"7": "/flow/runs/abcdef012345"}
        answer = PollAnswer(folder="/flow", links=links, submissions={"jobs/7": submission}, statuses={"jobs/7": lines})
        runs.add_answer(answer, {"7"}, datetime.now(UTC))
        runs.choose_statuses(table)
        runs.add_answer(replace(answer, links={}, statuses={"runs/abcdef012345": lines}), set(), datetime.now(UTC))
        table.add_ended(runs.list_unlisted(table))
    cache = RecordCache(table, runs)
    cache.refresh(table.take_changed(), Surroundings("lab"))
    for record in cache.rows:
        assert record.name.isprintable()
        assert record.message.isprintable()
