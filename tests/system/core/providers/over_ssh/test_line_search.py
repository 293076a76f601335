"""Finding lines of a log where it is stored: with awk, and with the agent, which find the same."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from testbed.far_tasks import CONTEXT, Far

from flow_core.agent import log_lines
from flow_core.errors import Unsupported
from flow_core.logs.log_id import LogId
from flow_core.logs.search.stored_lines import LineRequest, StoredLine, StoredLines
from flow_core.providers.over_ssh.line_search import find_lines
from flow_core.providers.over_ssh.logs import SpooledLogs
from flow_core.providers.over_ssh.task_nodes import LogFile
from flow_core.providers.slurm.local_host import LocalHost

TRAIN = LogId(CONTEXT, "train")
_LINES = (
    b"plain",
    b"a needle",
    b"\x1b[31mnee\x1b[0mdle",
    b"NEEDLE",
    b"",
    "é needle ü".encode(),
    b"x" * 30_000,
    b"a\\nb",
)


def find_with_agent(path: Path, request: LineRequest) -> StoredLines:
    found = log_lines.find_lines(path, log_lines.LineQuery(*request), lambda: None)
    lines = (StoredLine(number, at, raw.encode("latin-1"), has_text) for number, at, raw, has_text in found["lines"])
    return StoredLines(tuple(lines), found["searched"], found["is_cut"])


async def test_awk_and_the_agent_find_the_lines_that_a_simple_search_finds(tmp_path: Path) -> None:
    path = tmp_path / "it's a log"
    for seed in range(12):
        chance = random.Random(seed)
        lines = [chance.choice(_LINES) for _ in range(chance.randrange(30))]
        path.write_bytes(b"\n".join(lines) + b"\n" * chance.randrange(2))
        text, ignores_case = chance.choice(
            [(b"needle", False), (b"needle", True), (b"a\\nb", False), ("é".encode(), True)]
        )
        request = LineRequest(text, ignores_case, 0, chance.randrange(1, 6), chance.randrange(3))
        found = find_with_agent(path, request)
        by_awk = await find_lines(LogFile(LocalHost(), str(path)), request)
        shown = [line.replace(b"\x1b[31m", b"").replace(b"\x1b[0m", b"") for line in path.read_bytes().split(b"\n")]
        expected = [index for index, line in enumerate(shown) if text in (line.lower() if ignores_case else line)]
        offsets = [sum(len(line) + 1 for line in path.read_bytes().split(b"\n")[:index]) for index in expected]
        assert [line.offset for line in found.lines if line.has_text] == offsets[: request.limit]
        assert found.is_cut == (len(expected) > request.limit)
        assert [line[1:] for line in by_awk.lines] == [line[1:] for line in found.lines]
        assert by_awk[1:] == found[1:]
        rest = find_with_agent(path, request._replace(start=found.searched, limit=100))
        assert [line.offset for line in rest.lines if line.has_text] == [at for at in offsets if at >= found.searched]


@pytest.mark.needs("sshd")
async def test_a_log_that_was_fetched_completely_is_searched_here_and_others_there(far: Far, tmp_path: Path) -> None:
    logs = SpooledLogs(far, tmp_path / "spools")
    far.start()
    far.log().write_bytes(b"one\nneedle\n")
    request = LineRequest(b"needle", False, 0, 10, 1)
    found = await logs.find_lines(TRAIN, request)
    assert found == StoredLines((StoredLine(1, 0, b"one", False), StoredLine(2, 4, b"needle", True)), 4, False)
    with pytest.raises(Unsupported, match="without fixed text"):
        await logs.find_lines(TRAIN, None)
    far.ended.add("train")
    await logs.open(TRAIN)
    await logs.catch_up(TRAIN)
    assert await logs.find_lines(TRAIN, None) is None
    await logs.aclose()
