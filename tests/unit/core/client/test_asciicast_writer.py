"""A recording is an asciicast v2, whatever comes and however it is cut."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from testbed.properties import limit_examples

from flow_core.client.asciicast_writer import AsciicastWriter
from flow_core.errors import FlowError


def played(path: Path) -> str:
    _, *events = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [when for when, _, _ in events] == sorted(when for when, _, _ in events)
    return "".join(text for _, kind, text in events if kind == "o")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), st.lists(st.integers(0, 200), max_size=8))
@limit_examples(15)
def test_text_that_comes_in_pieces_is_put_together(tmp_path: Path, text: str, cuts: list[int]) -> None:
    path = tmp_path / "pieces.cast"
    path.unlink(missing_ok=True)
    data = text.encode()
    with AsciicastWriter(path, 80, 24, "title") as recording:
        places = [0, *sorted(cut for cut in cuts if cut <= len(data)), len(data)]
        for start, end in pairwise(places):
            recording.write_output(data[start:end])
    assert played(path) == text


@given(st.binary(max_size=60))
@limit_examples(15)
def test_any_bytes_make_a_file_that_can_be_read(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "bytes.cast"
    path.unlink(missing_ok=True)
    with AsciicastWriter(path, 80, 24, "title") as recording:
        recording.write_output(data)
    assert played(path) == data.decode("utf-8", "replace")


def test_a_size_is_noted_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "sizes.cast"
    with AsciicastWriter(path, 80, 24, "a\x1b[31mtitle") as recording:
        recording.write_size(80, 24)
        recording.write_size(100, 30)
        recording.write_size(100, 30)
    recording.close()
    header, *events = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert (header["version"], header["width"], header["height"], header["title"]) == (2, 80, 24, "a\x1b[31mtitle")
    assert [(kind, text) for _, kind, text in events] == [("r", "100x30")]


def test_a_recording_never_takes_the_place_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "there.cast"
    path.write_text("mine")
    with pytest.raises(FlowError, match="can't be recorded"):
        AsciicastWriter(path, 80, 24, "title")
    assert path.read_text() == "mine"
