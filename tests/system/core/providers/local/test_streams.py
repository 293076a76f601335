"""What a task writes to its two streams: in which order it is kept, and which of it is whose."""

from __future__ import annotations

import resource
import sys

import pytest
from testbed.log_truth import all_stamps

from flow_core.agent.spool import STDERR, STDOUT


async def logs_of(machine, task):
    addresses = await machine.provider.logs.addresses(task.task_id)
    return [(await machine.provider.logs.open(address)).log.read_bytes() for address in addresses]


async def outputs(machine, command, *, tasks, ranks):
    """Of so many runs."""
    found = []
    for _ in range(tasks):
        found += await logs_of(machine, await machine.ended(await machine.submit(command, num_instances=ranks)))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the order of writes")
async def test_what_is_written_to_both_streams_is_kept_in_its_order(machine):
    found = await outputs(machine, "echo 1; echo 2 >&2; echo 3", tasks=5, ranks=10)
    assert sum(one == b"1\n2\n3\n" for one in found) >= 47, found


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the order of writes")
async def test_so_are_several_lines_in_a_row(machine):
    found = await outputs(machine, "echo 1; echo 2; echo 3 >&2; echo 4; echo 5 >&2; echo 6 >&2", tasks=2, ranks=10)
    assert sum(one == b"1\n2\n3\n4\n5\n6\n" for one in found) >= 19, found


async def test_what_is_written_five_milliseconds_apart_is_always_in_order(machine):
    found = await outputs(machine, "echo 1; sleep .005; echo 2 >&2; sleep .005; echo 3", tasks=2, ranks=10)
    assert found == [b"1\n2\n3\n"] * 20


async def test_after_a_flood_of_lines_of_which_none_is_lost_the_order_is_kept_again(machine):
    flood = "i=0; while [ $i -lt 20000 ]; do echo line; i=$((i+1)); done; sleep .1"
    (found,) = await outputs(machine, f"{flood}; echo 1; sleep .005; echo 2 >&2; sleep .005; echo 3", tasks=1, ranks=1)
    assert found == b"line\n" * 20_000 + b"1\n2\n3\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the order of writes")
async def test_where_the_order_can_not_be_told_both_streams_are_kept_all_the_same(machine):
    limits = resource.getrlimit(resource.RLIMIT_SIGPENDING)  # which whatever we start inherits
    resource.setrlimit(resource.RLIMIT_SIGPENDING, (0, limits[1]))
    try:
        task = await machine.submit("for i in $(seq 2000); do echo o; echo e >&2; done")
    finally:
        resource.setrlimit(resource.RLIMIT_SIGPENDING, limits)
    end = await machine.ended(task)
    assert (end.exit_code, sorted((await machine.output(task)).split())) == (0, [b"e"] * 2000 + [b"o"] * 2000)


async def test_large_writes_stay_whole_and_every_byte_has_its_stream(machine):
    code = (
        "import os\nfor n in range(100):\n"
        "    os.write(1, b'o' * 300_000 + b'\\n')\n    os.write(2, b'e' * 70_000 + b'\\n')\n"
    )
    task = await machine.ended(await machine.submit([sys.executable, "-c", code]))
    (address,) = await machine.provider.logs.addresses(task.task_id)
    files = await machine.provider.logs.open(address)
    data, stamps = files.log.read_bytes(), all_stamps(files)
    ends = [*(stamp.offset for stamp in stamps[1:]), len(data)]
    for stream, letter, length in ((STDOUT, b"o", 300_000), (STDERR, b"e", 70_000)):
        pieces = [data[one.offset : end] for one, end in zip(stamps, ends, strict=True) if one.stream == stream]
        assert b"".join(pieces) == (letter * length + b"\n") * 100
