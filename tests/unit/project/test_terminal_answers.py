from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st
from testbed.pty_screen import ANSWERS
from testbed.terminal_answers import TerminalAnswers

PIECES = st.lists(st.sampled_from([b"text", b"\x1b[1;2H", *ANSWERS]), max_size=12)


@given(PIECES, st.integers(1, 9))
def test_each_question_gets_one_answer_wherever_the_output_is_cut(pieces: list[bytes], size: int) -> None:
    reader, writer = os.pipe()
    try:
        answers, output = TerminalAnswers(writer), b"".join(pieces)
        for start in range(0, len(output), size):
            answers.feed(output[start : start + size])
        os.write(writer, b"end")
        assert os.read(reader, 1 << 16) == b"".join(ANSWERS.get(piece, b"") for piece in pieces) + b"end"
    finally:
        os.close(reader)
        os.close(writer)
