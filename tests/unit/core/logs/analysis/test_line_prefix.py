"""Prefixes that launchers and loggers write."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from testbed.tables import each

from flow_core.logs.analysis.line_prefix import split_prefix


@each(
    ("line", "source", "rank", "letter", "body"),
    [
        ("[rank2]:   File x", "[rank2]: ", 2, "", "  File x"),
        ("[rank3]:[E1206 18:44:12.715298746 ProcessGroupNCCL.cpp:607] [Rank 3] x", "[rank3]:", 3, "E", "[Rank 3] x"),
        ("[default1]:loss", "[default1]:", 1, "", "loss"),
        ("[1,7]<stderr>:x", "[1,7]<stderr>:", 7, "", "x"),
        (
            "(EngineCore_0 pid=123) ERROR 01-02 03:04:05 [core.py:1]   File",
            "(EngineCore_0 pid=123) ",
            None,
            "E",
            "  File",
        ),
        ("(WorkerDict pid=1, ip=10.0.0.1) x", "(WorkerDict pid=1, ip=10.0.0.1) ", None, "", "x"),
        ("(Worker rank=4 pid=12) x", "(Worker rank=4 pid=12) ", 4, "", "x"),
        (" 3: Traceback", " 3: ", 3, "", "Traceback"),
        ("vllm-1  | x", "vllm-1  | ", None, "", "x"),
        ("Aug 17 18:42:18 gpu4 vllm[8052]: (APIServer pid=8) x", "gpu4 vllm[8052]: (APIServer pid=8) ", None, "", "x"),
        ("[2026-01-02T03:04:05.106313Z] fa88a9df || x", "fa88a9df || ", None, "", "x"),
        ("2026-01-02 03:04:05,678 - root - x", "", None, "", "- root - x"),
        ("step 1: loss 2", "", None, "", "step 1: loss 2"),
        ("", "", None, "", ""),
    ],
)
def test_the_prefix_is_split_off(line: str, source: str, rank: int | None, letter: str, body: str) -> None:
    prefix = split_prefix(line)
    assert (prefix.source, prefix.rank, prefix.level_letter, line[prefix.end :]) == (source, rank, letter, body)


@given(st.text(max_size=200) | st.text("[]rank0123456789:() pid=|EI.", max_size=200))
def test_any_text_can_be_split(text: str) -> None:
    assert 0 <= split_prefix(text).end <= len(text)
