"""What is known of jobs, also when Slurm no longer lists them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from testbed.tables import each

from flow_core.models.task import TaskStatus
from flow_core.providers.slurm.queue.history import History
from flow_core.providers.slurm.queue.job import Job
from flow_core.providers.slurm.queue.job_states import FORGOTTEN, get_status
from flow_core.providers.slurm.queue.job_table import JobTable
from flow_core.providers.slurm.queue.own_runs import OwnRuns, build_job
from flow_core.providers.slurm.queue.poll_script import PollAnswer
from flow_core.providers.slurm.queue.run_status import RunStatus, parse_run_status
from flow_core.providers.slurm.run_folder import Submission

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
KEY = "abcdef012345"
RUNNING = Job("12", "RUNNING", user="ada", started_at=AT, submitted_at=AT, output_path="out.log")
FAILED = replace(RUNNING, state="FAILED", exit_code=3, ended_at=AT)
ENDED = RunStatus(0, AT, AT, 4)
ARRAY = Job("5", "PENDING", user="ada", array_id="5", array_indexes=(0, 1, 2))


@pytest.fixture
def table() -> JobTable:
    return JobTable()


def make_element(index: int, state: str, **more: object) -> Job:
    return replace(ARRAY, job_id=str(100 + index), state=state, array_index=index, array_indexes=(), **more)  # type: ignore[arg-type]


def get_states(table: JobTable, task_id: str) -> dict[int | None, str]:
    return {index: job.state for job in table.get(task_id) for index in job.array_indexes or (job.array_index,)}


def test_a_job_stays_after_slurm_has_purged_it(table: JobTable) -> None:
    table.set_queue([FAILED], "ada")
    table.set_queue([], "ada")
    assert table.get("12") == (FAILED,)
    assert not table.lost


def test_a_job_that_leaves_the_queue_without_an_end_is_lost(table: JobTable) -> None:
    table.set_queue([RUNNING], "ada")
    table.set_queue([], "ada")
    assert table.get("12") == (RUNNING,)
    assert list(table.lost) == ["12"]


def test_a_high_exit_code_of_squeue_is_not_replaced_by_the_one_that_sacct_cuts(table: JobTable) -> None:
    table.set_queue([replace(FAILED, exit_code=139)], "ada")
    table.add_ended([replace(FAILED, exit_code=11)])
    assert [job.exit_code for job in table.get("12")] == [139]
    table.add_ended([replace(FAILED, exit_code=12)])
    assert [job.exit_code for job in table.get("12")] == [12]


def test_the_accounting_tells_how_a_lost_job_ended(table: JobTable) -> None:
    table.set_queue([RUNNING], "ada")
    table.set_queue([], "ada")
    table.add_ended([replace(FAILED, output_path="", cancelled_by="7")])
    (job,) = table.get("12")
    assert (job.state, job.exit_code, job.cancelled_by, job.output_path) == ("FAILED", 3, "7", "out.log")
    assert not table.lost


def test_a_code_that_only_squeue_knows_is_kept(table: JobTable) -> None:
    timeout = replace(FAILED, state="TIMEOUT", exit_code=0, signal=15, reason="TimeLimit")
    table.set_queue([timeout], "ada")
    table.add_ended([replace(timeout, signal=0, reason="")])
    (job,) = table.get("12")
    assert (job.signal, job.reason) == (15, "TimeLimit")


def test_an_older_answer_of_the_accounting_does_not_end_a_job_that_was_requeued(table: JobTable) -> None:
    table.set_queue([FAILED], "ada")
    table.set_queue([replace(RUNNING, state="PENDING", restarts=1)], "ada")
    table.add_ended([FAILED])
    assert get_states(table, "12") == {None: "PENDING"}


@each(
    "status, is_final, state, code",
    [
        (ENDED, False, "FAILED", 4),
        (RunStatus(0, AT, AT, 0), False, "COMPLETED", 0),
        (RunStatus(1, AT), True, "FAILED", None),
        (RunStatus(1, AT), False, "RUNNING", None),
        (None, True, "FAILED", None),
        (None, False, "RUNNING", None),
    ],
)
def test_a_lost_job_ends_as_its_script_recorded(
    status: RunStatus | None, is_final: bool, state: str, code: int | None
) -> None:
    table = JobTable()
    table.set_queue([RUNNING], "ada")
    table.set_queue([], "ada")
    table.end_lost("12", {} if status is None else {None: status}, is_final=is_final)
    (job,) = table.get("12")
    assert (job.state, job.exit_code) == (state, code)
    assert (FORGOTTEN in job.flags) == (is_final and (status is None or status.ended_at is None))
    assert bool(table.lost) == (state == "RUNNING")


def test_a_job_that_waited_when_slurm_forgot_it_counts_as_cancelled(table: JobTable) -> None:
    table.set_queue([replace(RUNNING, state="PENDING", started_at=None)], "ada")
    table.set_queue([], "ada")
    table.end_lost("12", {}, is_final=True)
    (job,) = table.get("12")
    assert get_status(job) is TaskStatus.CANCELLED


def test_the_elements_of_an_array_leave_their_common_record(table: JobTable) -> None:
    table.set_queue([ARRAY], "ada")
    assert get_states(table, "5") == {0: "PENDING", 1: "PENDING", 2: "PENDING"}
    table.set_queue([replace(ARRAY, array_indexes=(1, 2)), make_element(0, "RUNNING")], "ada")
    assert get_states(table, "5") == {0: "RUNNING", 1: "PENDING", 2: "PENDING"}
    table.set_queue([replace(ARRAY, array_index=2, array_indexes=()), make_element(0, "COMPLETED")], "ada")
    assert get_states(table, "5") == {0: "COMPLETED", 1: "PENDING", 2: "PENDING"}
    assert dict(table.lost).keys() == {"5"}
    table.add_ended([make_element(1, "FAILED", exit_code=3)])
    table.set_queue([make_element(2, "RUNNING")], "ada")
    assert get_states(table, "5") == {0: "COMPLETED", 1: "FAILED", 2: "RUNNING"}
    assert not table.lost


def test_an_array_that_slurm_prints_without_indexes_after_its_cancel_keeps_its_elements(table: JobTable) -> None:
    whole = replace(ARRAY, state="CANCELLED", array_id="", array_indexes=(), ended_at=AT)
    table.set_queue([ARRAY], "ada")
    for _ in range(2):
        table.set_queue([whole], "ada")
        assert get_states(table, "5") == dict.fromkeys((0, 1, 2), "CANCELLED")
        assert not table.lost
        whole = replace(whole, comment="changed")


def test_the_accounting_tells_the_elements_of_a_cancelled_array(table: JobTable) -> None:
    table.set_queue([replace(ARRAY, state="CANCELLED", array_id="", array_indexes=())], "ada")
    table.add_ended([replace(ARRAY, state="CANCELLED", cancelled_by="7")])
    assert get_states(table, "5") == dict.fromkeys((0, 1, 2), "CANCELLED")


def test_jobs_of_others_are_dropped_when_they_leave_the_queue(table: JobTable) -> None:
    other = replace(RUNNING, job_id="13", user="bob")
    table.set_queue([RUNNING, other], "ada")
    table.set_queue([RUNNING], "ada")
    assert table.get("12") == (RUNNING,)
    assert table.get("13") == ()


def test_a_job_that_moved_to_another_cluster_of_the_federation_is_listed_once(table: JobTable) -> None:
    revoked = replace(RUNNING, state="CANCELLED", flags=frozenset({"REVOKED"}))
    table.set_queue([revoked, RUNNING], "ada")
    assert table.get("12") == (RUNNING,)


def test_only_changed_tasks_are_named(table: JobTable) -> None:
    table.set_queue([RUNNING, ARRAY], "ada")
    assert table.take_changed() == {"12", "5"}
    view = table.get("12")
    table.set_queue([RUNNING, replace(ARRAY, reason="Resources")], "ada")
    assert table.take_changed() == {"5"}
    assert table.get("12") is view


def test_old_tasks_are_pruned_unless_they_are_in_the_queue(table: JobTable) -> None:
    table.add_ended([FAILED, replace(FAILED, job_id="13", ended_at=AT + timedelta(days=2))])
    table.set_queue([replace(FAILED, job_id="14")], "ada")
    table.prune(AT + timedelta(days=1))
    assert [bool(table.get(task_id)) for task_id in ("12", "13", "14")] == [False, True, True]


@each(
    "lines, status",
    [
        ((), None),
        (("",), None),
        (("start 0 1000",), RunStatus(0, datetime.fromtimestamp(1000, UTC))),
        (
            ("start 0 1000", "end 0 3 0 1100"),
            RunStatus(0, datetime.fromtimestamp(1000, UTC), datetime.fromtimestamp(1100, UTC), 3),
        ),
        (
            ("start 0 1000", "end 0 137 9 1100", "start 1 1200"),
            RunStatus(1, datetime.fromtimestamp(1200, UTC)),
        ),
        (("start 1 1000", "end 0 3 0 1100"), RunStatus(1, datetime.fromtimestamp(1000, UTC))),
        (("start x 1000", "end", "start 0 999999999999999", "\x1b"), None),
        (("start 0 999999999999",), RunStatus(0, None)),
    ],
)
def test_the_last_attempt_of_a_run_counts(lines: Iterable[str], status: RunStatus | None) -> None:
    assert parse_run_status(lines) == status


SUBMISSION = Submission(f"/home/ada/flow/runs/{KEY}", "train", "python train.py", submitted_at=AT.timestamp())


def make_answer(submission: Submission = SUBMISSION, **more: object) -> PollAnswer:
    return PollAnswer(
        user="ada",
        folder="/home/ada/flow",
        links={"12": submission.folder},
        submissions={"jobs/12": submission.to_json()},
        **more,  # type: ignore[arg-type]
    )


def test_a_run_that_slurm_does_not_list_ends_as_it_recorded(table: JobTable) -> None:
    runs = OwnRuns()
    runs.add_answer(make_answer(statuses={"jobs/12": {None: ["start 0 1000", "end 0 3 0 1100"]}}), set(), AT)
    table.add_ended(runs.list_unlisted(table))
    (job,) = table.get("12")
    assert (job.state, job.exit_code, job.name) == ("FAILED", 3, "train")
    assert runs.get_submission("12") == SUBMISSION
    assert runs.newest_id == 12
    assert list(runs.list_unlisted(table)) == []


def test_an_array_that_slurm_does_not_list_is_read_element_by_element(table: JobTable) -> None:
    runs = OwnRuns()
    runs.add_answer(make_answer(replace(SUBMISSION, array="0-2%1")), set(), AT)
    assert list(runs.list_unlisted(table)) == []
    assert runs.choose_statuses(table) == ((), (KEY,))
    runs.add_answer(
        PollAnswer(folder="/f", statuses={f"runs/{KEY}": {1: ["start 0 1000", "end 0 0 0 1100"]}}), set(), AT
    )
    table.add_ended(runs.list_unlisted(table))
    assert get_states(table, "12") == {0: "CANCELLED", 1: "COMPLETED", 2: "CANCELLED"}


def test_a_cancelled_array_without_indexes_gets_those_that_were_submitted(table: JobTable) -> None:
    runs = OwnRuns()
    table.set_queue([Job("12", "CANCELLED", user="ada")], "ada")
    runs.add_answer(make_answer(replace(SUBMISSION, array="0-2")), {"12"}, AT)
    table.add_ended(runs.list_unlisted(table))
    assert get_states(table, "12") == dict.fromkeys((0, 1, 2), "CANCELLED")


def test_runs_of_other_clients_are_found_by_the_comment_of_their_jobs() -> None:
    runs = OwnRuns()
    jobs = [
        replace(RUNNING, comment=f"flow:{KEY}"),
        replace(RUNNING, job_id="13", user="bob", comment="flow:" + "1" * 12),
    ]
    runs.find_new(jobs, "ada")
    assert runs.choose_submissions() == (KEY,)
    runs.add_answer(PollAnswer(folder="/f", submissions={f"runs/{KEY}": SUBMISSION.to_json()}), {"12"}, AT)
    submission = runs.get_submission("12")
    assert submission is not None
    assert submission.folder == f"/f/runs/{KEY}"
    runs.find_new(jobs, "ada")
    assert runs.choose_submissions() == ()


def test_a_run_that_cannot_be_read_is_asked_for_once() -> None:
    runs = OwnRuns()
    jobs = [replace(RUNNING, comment=f"flow:{KEY}")]
    for text in ("", "{}", "no json", '{"name": 1}'):
        runs = OwnRuns()
        runs.find_new(jobs, "ada")
        runs.add_answer(PollAnswer(folder="/f", submissions={f"runs/{KEY}": text} if text else {}), {"12"}, AT)
        runs.find_new(jobs, "ada")
        assert runs.choose_submissions() == ()
        assert runs.get_submission("12") is None


def test_old_runs_are_left_out_unless_they_are_in_the_queue() -> None:
    for queued in (set(), {"12"}):
        runs = OwnRuns()
        runs.add_answer(make_answer(), queued, AT + timedelta(days=1))
        assert (runs.get_submission("12") is not None) == bool(queued)


def test_the_attempts_of_a_task_with_retries_are_read_while_it_runs(table: JobTable) -> None:
    runs = OwnRuns()
    runs.note("12", replace(SUBMISSION, config={"retries": {"max_retries": 2}}))
    table.set_queue([RUNNING], "ada")
    assert runs.choose_statuses(table) == ((KEY,), ())
    runs.add_answer(PollAnswer(folder="/f", statuses={f"runs/{KEY}": {None: ["start 2 1000"]}}), {"12"}, AT)
    status = runs.get_status("12")
    assert status is not None
    assert status.attempt == 2


def test_a_submitted_array_is_one_common_record() -> None:
    job = build_job("12", replace(SUBMISSION, array="0-29%4", ranks=2, config={"region": "gpu"}))
    assert (job.task_id, job.array_indexes, job.array_limit) == ("12", tuple(range(30)), 4)
    assert (job.node_count, job.partition, job.submitted_at) == (2, "gpu", AT)


def lose(table: JobTable) -> None:
    table.set_queue([RUNNING], "ada")
    table.set_queue([], "ada")


def take_times(history: History, *times: float, is_needed: bool = False) -> Iterator[int | None]:
    for now in times:
        yield history.choose_length_s(now, is_needed=is_needed)


def test_the_accounting_is_asked_at_the_start_then_each_minute_for_what_is_new(table: JobTable) -> None:
    history = History(7, "the login node")
    assert list(take_times(history, 1000)) == [604_800]
    history.add_answer(PollAnswer(token="z", history=""), table, 1000)
    assert list(take_times(history, 1005, 1059, 1060)) == [None, None, 360]
    assert list(take_times(history, 1061, is_needed=True)) == [361]


def test_without_accounting_it_is_not_asked_again(table: JobTable) -> None:
    for failure in (
        "Slurm accounting storage is disabled",
        "You are not running a supported accounting_storage plugin\nOnly 'accounting_storage/slurmdbd' is supported.",
    ):
        history = History(7, "the login node")
        history.choose_length_s(0, is_needed=False)
        history.add_answer(PollAnswer(history_failure=failure), table, 0)
        assert history.is_off
        assert history.failure == ""
        assert list(take_times(history, 1000, is_needed=True)) == [None]


def test_an_accounting_that_does_not_answer_is_asked_a_minute_later(table: JobTable) -> None:
    history = History(7, "login node 'lab'")
    history.choose_length_s(0, is_needed=False)
    history.add_answer(
        PollAnswer(history_failure="sacct: error: Problem talking to the database: Connection refused"), table, 0
    )
    assert history.failure.startswith("slurmdbd, the accounting of login node 'lab', does not answer")
    assert list(take_times(history, 5, 59, 60, is_needed=True)) == [None, None, 604_800]
    history.add_answer(PollAnswer(token="z", history=""), table, 60)
    assert history.failure == ""


def test_a_lost_job_is_given_up_after_a_minute_or_at_once_without_accounting(table: JobTable) -> None:
    runs, history = OwnRuns(), History(7, "the login node")
    lose(table)
    history.end_lost(table, runs, 1000)
    history.end_lost(table, runs, 1059)
    assert get_states(table, "12") == {None: "RUNNING"}
    history.end_lost(table, runs, 1060)
    assert get_states(table, "12") == {None: "FAILED"}
    other = JobTable()
    lose(other)
    History(0, "the login node").end_lost(other, runs, 0)
    assert get_states(other, "12") == {None: "FAILED"}


def test_the_record_of_a_lost_run_is_read_before_it_is_given_up(table: JobTable) -> None:
    runs, history = OwnRuns(), History(0, "the login node")
    runs.note("12", SUBMISSION)
    lose(table)
    history.end_lost(table, runs, 0)
    assert get_states(table, "12") == {None: "RUNNING"}
    assert runs.choose_statuses(table) == ((KEY,), ())
    runs.add_answer(PollAnswer(folder="/f", statuses={f"runs/{KEY}": {None: ["start 0 1", "end 0 3 0 2"]}}), set(), AT)
    history.end_lost(table, runs, 5)
    (job,) = table.get("12")
    assert (job.state, job.exit_code) == ("FAILED", 3)
