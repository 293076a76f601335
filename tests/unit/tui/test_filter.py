"""The filter language."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from testbed.tables import each

from flow_tui.filter import parse_filter

ROW = {"name": "llama-sft", "status": "running", "context": "lab"}


@each(
    ("text", "passes"),
    [
        ("", True),
        ("llama", True),
        ("LLAMA", True),
        ("vit", False),
        ("status:run", True),
        ("status:pend,run", True),
        ("status:failed", False),
        ("!status:failed", True),
        ("!llama", False),
        ("context:lab llama", True),
        ("context:lab vit", False),
        ("context:local", False),
        ("unknown:word", False),
        ("status:", True),
        ("!", True),
    ],
)
def test_a_row_passes_when_every_word_holds(text: str, passes: bool) -> None:
    assert parse_filter(text)(ROW) is passes


@given(st.text())
def test_every_text_is_a_filter(text: str) -> None:
    assert parse_filter(text)(ROW) in (True, False)


@given(st.text(alphabet="abcrun:,!", max_size=12).filter(lambda text: text.strip("!") and " " not in text))
def test_not_turns_the_answer_round(word: str) -> None:
    if not word.startswith("!"):
        assert parse_filter("!" + word)(ROW) is not parse_filter(word)(ROW)
