"""The jobs that squeue and sacct print; the texts are those of a real cluster."""

from __future__ import annotations

from datetime import UTC, datetime

from testbed.fake_smi import RECORDED
from testbed.tables import each

from flow_core.providers.slurm.queue import sacct, squeue
from flow_core.providers.slurm.queue.job import Job
from flow_core.providers.slurm.queue.job_states import PREEMPTING
from flow_core.providers.slurm.queue.records import make_token, split_records, split_sections
from flow_core.providers.slurm.queue.sacct import SacctDecoder
from flow_core.providers.slurm.queue.squeue import SqueueDecoder

TOKEN = "z0123456789"
SQUEUE = (RECORDED / "slurm-22.05-squeue.txt").read_text()
SACCT = (RECORDED / "slurm-22.05-sacct.txt").read_text()


def at(hour: int, minute: int, second: int) -> datetime:
    return datetime(2026, 11, 30, hour, minute, second, tzinfo=UTC)


def find_record(text: str, job_id: str) -> str:
    """Returns the record of a job in a recorded output."""
    start = text.index(f"\n{job_id}{TOKEN}") + 1
    return text[start : text.find(f"{TOKEN}\n", start)] + f"{TOKEN}\n"


async def decode(text: str) -> dict[str, Job]:
    return {job.slurm_id: job for job in await SqueueDecoder().decode(text, TOKEN)}


async def test_squeue_tells_all_about_jobs() -> None:
    jobs = await decode(SQUEUE)
    assert jobs["49"] == Job(
        job_id="49",
        state="RUNNING",
        user="ada",
        name="wide",
        partition="gpu",
        account="flow",
        qos="normal",
        node_count=2,
        node_list=("node2", "node3"),
        gpu_count=8,
        gpu_type="a100",
        cpu_count=2,
        memory_mb=256,
        time_limit_s=7200,
        submitted_at=at(8, 1, 49),
        started_at=at(8, 1, 50),
        work_dir="/home/ada",
        comment="flow:abcdef012345",
    )
    assert jobs["47"].name == "a|b\nc\x1b[31md"
    assert (jobs["47"].exit_code, jobs["47"].signal, jobs["47"].ended_at) == (3, 0, at(8, 1, 50))
    assert (jobs["46"].exit_code, jobs["46"].signal) == (0, 11)
    assert (jobs["43"].state, jobs["43"].reason, jobs["43"].time_limit_s) == ("TIMEOUT", "TimeLimit", 60)
    assert (jobs["44"].state, jobs["44"].started_at) == ("SUSPENDED", at(8, 1, 50))
    assert (jobs["45"].restarts, jobs["45"].exit_code) == (1, None)
    assert (jobs["58"].starts_at, jobs["58"].started_at, jobs["58"].ended_at) == (at(10, 1, 52), None, None)
    assert jobs["57"].dependency == "afterok:49(unfulfilled)"
    assert (jobs["61"].output_path, jobs["49"].output_path) == ("/nowhere/x.log", "")
    assert (jobs["66"].script_path, jobs["66"].is_batch) == ("/home/ada/train.sh a b", True)
    assert (jobs["67"].is_batch, jobs["67"].output_path) == (False, "")
    assert (jobs["65"].state, jobs["65"].started_at, jobs["65"].ended_at) == ("CANCELLED", None, at(8, 1, 54))


async def test_an_array_is_told_in_common_records_and_elements() -> None:
    jobs = await SqueueDecoder().decode(SQUEUE, TOKEN)
    held = next(job for job in jobs if job.name == "held")
    assert (held.task_id, held.array_index, held.array_indexes, held.slurm_id) == ("59", None, (1, 2, 3), "59")
    sweep = {job.array_index: job for job in jobs if job.name == "sweep"}
    assert sorted(index for index in sweep if index is not None) == list(range(10))
    assert {job.task_id for job in sweep.values()} == {"48"}
    assert (sweep[9].job_id, sweep[9].slurm_id, sweep[9].exit_code, sweep[8].exit_code) == ("48", "48_9", 1, 0)
    rest = next(job for job in jobs if job.array_indexes == tuple(range(2, 10)))
    assert (rest.state, rest.array_limit) == ("CANCELLED", 2)


async def test_squeue_with_one_line_for_each_element_tells_the_same() -> None:
    record = find_record(SQUEUE, "59")
    text = "".join(record.replace("|1-3|", f"|{index}|") for index in (1, 2, 3))
    assert await SqueueDecoder().decode(text, TOKEN) == await SqueueDecoder().decode(record, TOKEN)
    assert await SqueueDecoder().decode(record + record, TOKEN) == await SqueueDecoder().decode(record, TOKEN)


async def test_what_did_not_change_is_the_same_job() -> None:
    decoder = SqueueDecoder()
    before = {(job.task_id, job.array_index): job for job in await decoder.decode(SQUEUE, TOKEN)}
    text = SQUEUE.replace(TOKEN, "z9876543210").replace("|JobHeldUser", "|Resources")
    changed = text.replace("afterok:49(unfulfilled)", "(null)")
    after = {(job.task_id, job.array_index): job for job in await decoder.decode(changed, "z9876543210")}
    assert before.keys() == after.keys()
    assert [key for key in before if before[key] is not after[key]] == [("57", None)]


@each(
    "before, after",
    [
        ("CLUSTER: alpha\n", ""),
        ("", "CLUSTER: beta\nJOBID|x\n"),
        ("*** maintenance on Monday | read /etc/motd ***\n\n", "\x1b[31mwarning\x1b[0m\n"),
        ("squeue: error: something\n", "9999999\n"),
    ],
)
async def test_lines_of_wrappers_and_clusters_are_ignored(before: str, after: str) -> None:
    text = before + find_record(SQUEUE, "47") + after + find_record(SQUEUE, "49")
    jobs = await decode(text)
    assert {job.name for job in jobs.values()} == {"a|b\nc\x1b[31md", "wide"}


@each(
    "old, new, count",
    [
        ("|gpu|flow|", "|gpu|flow", 1),
        ("49" + TOKEN, "x" + TOKEN, 1),
        ("|RUNNING|", "|TELEPORTING|", 0),
        ("|0|0|2|2|2|", "||||||", 0),
        ("|2026-11-30T08:01:49|", "|yesterday|", 0),
    ],
)
async def test_a_record_that_cannot_be_read_is_counted(old: str, new: str, count: int) -> None:
    decoder = SqueueDecoder()
    jobs = await decoder.decode(find_record(SQUEUE, "49").replace(old, new, 1) + find_record(SQUEUE, "47"), TOKEN)
    assert decoder.unreadable == count
    assert len(jobs) == 2 - count


async def test_an_output_that_breaks_off_lacks_its_last_record() -> None:
    whole = find_record(SQUEUE, "47") + find_record(SQUEUE, "49")
    for length in range(len(whole) - 1):
        assert len(await SqueueDecoder().decode(whole[:length], TOKEN)) <= 1
    assert await SqueueDecoder().decode("", TOKEN) == []


async def test_texts_of_any_length_are_cut() -> None:
    name = "w\n|" * 50_000
    record = find_record(SQUEUE, "49").replace(f"{TOKEN}wide{TOKEN}", f"{TOKEN}{name}{TOKEN}")
    (job,) = (await decode(record)).values()
    assert job.name == name[:4096]


@each(
    "tres, requests, count, gpu_type",
    [
        ("cpu=2,node=2", "N/A|gres:gpu:a100:4|N/A|N/A", 8, "a100"),
        ("cpu=2,node=2", "gres:gpu:a100:6|N/A|N/A|N/A", 6, "a100"),
        ("cpu=2,node=2", "N/A|N/A|N/A|gres/gpu:2", 4, None),
        ("cpu=2,node=2", "N/A|N/A|gres:gpu:h100:1|N/A", 2, "h100"),
        ("cpu=2,node=2,gres/gpu=8", "N/A|gres:gpu:4|N/A|N/A", 8, None),
        ("cpu=2,gres/gpu:h100=8,gres/gpu=8", "N/A|N/A|N/A|N/A", 8, "h100"),
        ("N/A", "N/A|N/A|N/A|N/A", 0, None),
    ],
)
async def test_gpus_are_counted_with_and_without_accounting(
    tres: str, requests: str, count: int, gpu_type: str | None
) -> None:
    record = find_record(SQUEUE, "49")
    record = record.replace(
        "cpu=2,mem=512M,node=2,billing=2,gres/gpu=8|N/A|gres:gpu:a100:4|N/A|N/A", f"{tres}|{requests}"
    )
    (job,) = (await decode(record)).values()
    assert (job.gpu_count, job.gpu_type) == (count, gpu_type)


async def test_a_job_that_is_being_preempted_says_so() -> None:
    record = find_record(SQUEUE, "49").replace("2026-11-30T10:01:50|N/A|", "2026-11-30T10:01:50|2026-11-30T08:30:00|")
    (job,) = (await decode(record)).values()
    assert job.flags == {PREEMPTING}


def test_sacct_tells_how_jobs_ended() -> None:
    decoder = SacctDecoder()
    jobs = {job.slurm_id: job for job in decoder.decode(SACCT, TOKEN)}
    assert decoder.unreadable == 0
    assert jobs["47"] == Job(
        job_id="47",
        state="FAILED",
        user="ada",
        name="a|b\nc\x1b[31md",
        partition="gpu",
        account="flow",
        qos="normal",
        node_list=("node1",),
        gpu_count=2,
        cpu_count=1,
        memory_mb=256,
        time_limit_s=3600,
        submitted_at=at(8, 1, 49),
        started_at=at(8, 1, 50),
        ended_at=at(8, 1, 50),
        exit_code=3,
        work_dir="/home/ada",
    )
    assert (jobs["46"].exit_code, jobs["46"].signal) == (0, 11)
    assert (jobs["62"].state, jobs["62"].cancelled_by) == ("CANCELLED", "1001")
    assert (jobs["65"].started_at, jobs["65"].node_list) == (None, ())
    assert [jobs[f"48_{index}"].exit_code for index in range(4)] == [0, 1, 0, 1]
    assert (jobs["69"].array_id, jobs["69"].array_indexes) == ("69", tuple(range(2, 10)))


def test_sacct_may_print_anything() -> None:
    decoder = SacctDecoder()
    hostile = SACCT.replace("43" + TOKEN + "43", "x" + TOKEN + "43", 1).replace("FAILED", "RUNNING", 1)
    names = {job.name for job in decoder.decode("sacct: a warning\n" + hostile, TOKEN)}
    assert decoder.unreadable == 1
    assert names == {job.name for job in SacctDecoder().decode(SACCT, TOKEN)} - {"limit", "killed"}


def test_a_format_contains_the_token_only_where_a_field_ends() -> None:
    form = squeue.build_format(TOKEN)
    assert form.startswith(f"JobId:0{TOKEN},ArrayJobId:0|,")
    assert form.endswith(f",Name:0{TOKEN}")
    assert len(sacct.FIELDS) == len(set(sacct.FIELDS))


def test_a_token_is_new_for_each_call_and_begins_with_a_letter() -> None:
    tokens = {make_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(token[0].isalpha() and token.isalnum() for token in tokens)


def test_sections_are_found_after_any_greeting() -> None:
    text = "Welcome\nzMARKa\none\ntwo\n\nzMARKb\nthree"
    assert split_sections(text, "zMARK") == {"a": "one\ntwo\n\n", "b": "three"}
    assert split_sections("", "zMARK") == {}


def test_records_are_split_by_the_token_alone() -> None:
    assert list(split_records("junk\n1@a\nb@\n2@c@\n3@", "@", 2)) == [("1", "a\nb"), ("2", "c")]
