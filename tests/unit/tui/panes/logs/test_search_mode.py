"""Whether a search is for exact text or a regular expression."""

from __future__ import annotations

from testbed.tables import each

from flow_tui.panes.logs.search_mode import SearchMode, looks_literal


@each(
    "text",
    [
        "[rank0]:",
        "[INFO]",
        "[rank 0] loss",
        "[01:02:03]",
        "step [train]",
    ],
)
def test_a_word_in_brackets_is_exact_text(text: str) -> None:
    assert looks_literal(text)


@each(
    "text",
    ["", "loss", "ERROR|WARN", "[0-9]+", "[abc]+", "[eE]rror", r"\[rank0\]", "[^x]", "step=[123]{2}", "f(", "[", "[]"],
)
def test_other_text_is_a_regular_expression(text: str) -> None:
    assert not looks_literal(text)


def test_the_user_s_choice_takes_precedence_until_the_next_search() -> None:
    mode = SearchMode()
    assert mode.describe("f(") == "regular expression"
    mode.switch("f(")
    assert mode.describe("f(") == "exact text"
    assert mode.describe("loss") == "exact text"
    mode.switch("loss")
    assert not mode.is_literal("[rank0]:")
    mode.reset()
    assert mode.is_literal("[rank0]:")
