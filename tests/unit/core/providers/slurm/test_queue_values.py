"""The values that Slurm's commands print: times, durations, amounts, lists of nodes and of array indexes."""

from __future__ import annotations

from datetime import UTC, datetime

from testbed.tables import each

from flow_core.providers.slurm.queue.hostlist import INDEXES_MAX, NODES_MAX, expand_hostlist, expand_indexes
from flow_core.providers.slurm.queue.values import (
    Resources,
    clean,
    clean_label,
    parse_duration,
    parse_exit,
    parse_memory_mb,
    parse_number,
    parse_time,
    parse_tres,
    split_wait_status,
)
from flow_core.providers.slurm.queue.wording import format_duration, format_memory, format_moment


@each(
    "text, seconds",
    [
        ("1:00", 60),
        ("0:30", 30),
        ("1:00:00", 3600),
        ("04:00:00", 14_400),
        ("1-00:00:00", 86_400),
        ("2-12:30:05", 217_805),
        ("365-00:00:00", 31_536_000),
        ("UNLIMITED", None),
        ("NOT_SET", None),
        ("Partition_Limit", None),
        ("INVALID", None),
        ("", None),
        ("-1:00", None),
        ("9" * 40, None),
    ],
)
def test_a_duration_is_days_hours_minutes_and_seconds(text: str, seconds: int | None) -> None:
    assert parse_duration(text) == seconds


@each(
    "text, moment",
    [
        ("2026-11-30T07:39:12", datetime(2026, 11, 30, 7, 39, 12, tzinfo=UTC)),
        ("N/A", None),
        ("NONE", None),
        ("Unknown", None),
        ("", None),
        ("0001-01-01T00:00:00", None),
        ("9999-12-31T23:59:59", None),
        ("07:39:12", None),
    ],
)
def test_a_time_is_in_utc(text: str, moment: datetime | None) -> None:
    assert parse_time(text) == moment


@each(
    "text, megabytes",
    [
        ("512M", 512),
        ("4G", 4096),
        ("1.50G", 1536),
        ("2T", 2_097_152),
        ("1024K", 1),
        ("2000Mc", 2000),
        ("4Gn", 4096),
        ("0", None),
        ("", None),
        ("16?", None),
    ],
)
def test_memory_is_in_megabytes(text: str, megabytes: int | None) -> None:
    assert parse_memory_mb(text) == megabytes


@each(
    "text, count, gpu_type, memory_mb",
    [
        ("cpu=2,mem=512M,node=2,billing=2,gres/gpu=8", 8, None, 512),
        ("billing=2,cpu=2,gres/gpu:a100=4,gres/gpu=4,mem=1G,node=1", 4, "a100", 1024),
        ("gres:gpu:a100:4", 4, "a100", None),
        ("gres/gpu:4", 4, None, None),
        ("gres/gpu:a100:4(IDX:0-3)", 4, "a100", None),
        ("gres:gpu", 1, None, None),
        ("gres:gpu:h100", 1, "h100", None),
        ("gpu:a100:2,gpu:v100:1", 3, "a100", None),
        ("gres/gpumem=1,gres/nvme=2", 0, None, None),
        ("gres/shard:8", 0, None, None),
        ("", 0, None, None),
        ("gres/gpu=x", 1, "x", None),
        ("=,==,:,gres/", 0, None, None),
    ],
)
def test_resources_are_read_from_requests_and_allocations(
    text: str, count: int, gpu_type: str | None, memory_mb: int | None
) -> None:
    found = parse_tres(text)
    assert found == Resources(count, gpu_type, memory_mb, found.cpu_count)


@each(
    "text, code, signal",
    [("3:0", 3, 0), ("0:15", 0, 15), ("0:9", 0, 9), ("0:125", 0, 0), ("0:0", 0, 0), ("", None, 0), ("x:y", None, 0)],
)
def test_an_exit_is_a_code_and_a_signal(text: str, code: int | None, signal: int) -> None:
    assert parse_exit(text) == (code, signal)


@each(
    "text, code, signal",
    [
        ("768", 3, 0),
        ("15", 0, 15),
        ("0", 0, 0),
        ("35072", 137, 0),
        ("4021", 15, 53),
        ("125", 0, 0),
        ("3:0", 3, 0),
        ("-1", None, 0),
    ],
)
def test_squeue_prints_the_status_of_wait(text: str, code: int | None, signal: int) -> None:
    assert split_wait_status(text) == (code, signal)


@each(
    "text, names",
    [
        ("node1", ("node1",)),
        ("node[1-3]", ("node1", "node2", "node3")),
        ("gpu[08-11],login", ("gpu08", "gpu09", "gpu10", "gpu11", "login")),
        ("a[1,3-4]b[1-2]", ("a1b1", "a1b2", "a3b1", "a3b2", "a4b1", "a4b2")),
        ("rack[1-2]-x", ("rack1-x", "rack2-x")),
        ("", ()),
        ("n[3-1]", ("n3-1",)),
        ("n[", ("n",)),
        ("n[]", ("n",)),
    ],
)
def test_a_list_of_nodes_is_expanded_in_its_order(text: str, names: tuple[str, ...]) -> None:
    assert expand_hostlist(text) == names


def test_a_list_of_nodes_without_end_is_cut() -> None:
    assert len(expand_hostlist("n[0-999999999][0-999999999]")) == NODES_MAX


@each(
    "text, indexes, limit",
    [
        ("0-3", (0, 1, 2, 3), None),
        ("0-9:3", (0, 3, 6, 9), None),
        ("[3-5%2]", (3, 4, 5), 2),
        ("1,7,9-10%4", (1, 7, 9, 10), 4),
        ("5", (5,), None),
        ("0-2,5,...", (0, 1, 2, 5), None),
        ("1-3,2-4", (1, 2, 3, 4), None),
        ("0-4:0", (0, 1, 2, 3, 4), None),
        ("", (), None),
        ("N/A", (), None),
        ("1%x", (1,), None),
    ],
)
def test_array_indexes_are_expanded(text: str, indexes: tuple[int, ...], limit: int | None) -> None:
    assert expand_indexes(text) == (indexes, limit)


def test_array_indexes_without_end_are_cut() -> None:
    assert len(expand_indexes("0-999999999,0-999999999")[0]) == INDEXES_MAX


@each("text, cleaned", [("(null)", ""), ("N/A", ""), ("None assigned", ""), ("a", "a"), ("x" * 131_072, "x" * 4096)])
def test_words_for_nothing_are_no_text(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


def test_a_label_controls_no_terminal() -> None:
    label = clean_label("a\nb\x1b[31mc\u202ed" + "x" * 5000)
    assert label.isprintable()
    assert len(label) == 256
    assert clean_label("a\ud7fcb\u3000c") == "a\ufffdb c"


@each("text, number", [("12", 12), ("", None), ("-1", None), ("9" * 30, None), ("٣", 3)])
def test_a_number_is_decimal(text: str, number: int | None) -> None:
    assert parse_number(text) == number


@each(
    "seconds, text",
    [(7200, "2 h"), (90, "90 s"), (60, "1 min"), (129_600, "1 d 12 h"), (3661, "1 h 1 min"), (0, "0 s"), (59, "59 s")],
)
def test_a_duration_is_written_with_two_units_at_most(seconds: int, text: str) -> None:
    assert format_duration(seconds) == text


@each("megabytes, text", [(512, "512 MB"), (4096, "4 GB"), (1536, "1.5 GB"), (1_048_576, "1024 GB")])
def test_memory_is_written_as_slurm_counts_it(megabytes: int, text: str) -> None:
    assert format_memory(megabytes) == text


def test_a_moment_is_written_with_its_day_unless_it_is_today() -> None:
    now = datetime(2026, 3, 2, 12, 0).astimezone()  # a Monday, in the zone of this machine
    assert format_moment(now.replace(hour=14, minute=20), now) == "14:20"
    assert format_moment(now.replace(day=5, hour=9, minute=5), now) == "Thu 09:05"
    assert format_moment(now.replace(month=4, day=12, hour=9, minute=5), now) == "12 Apr 09:05"
    assert format_moment(now.replace(day=1), now) == "1 Mar 12:00"
