"""The filter language."""

from __future__ import annotations

import time
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from testbed.tables import each

from flow_core.filters.amounts import parse_duration_s, parse_number
from flow_core.filters.row_filter import AmountField, FilterField, RowFilter, TextField


@dataclass(frozen=True)
class Row:
    name: str = "llama-sft"
    status: str = "running"
    age_s: float | None = 5400
    gpus: float | None = 8


FIELDS: tuple[FilterField[Row], ...] = (
    TextField(("name",), lambda row: row.name),
    TextField(("state", "status"), lambda row: row.status),
    TextField(("gpu",), lambda row: f"h100\n{row.gpus:g}xh100"),
    AmountField(("age",), lambda row: row.age_s, parse_duration_s),
    AmountField(("gpus",), lambda row: row.gpus, parse_number),
)


def passes(text: str, row: Row | None = None) -> bool:
    return bool(RowFilter(text, FIELDS).select([row or Row()]))


@each(
    ("text", "expected"),
    [
        ("", True),
        ("llama", True),
        ("LLAMA", True),
        ("vit", False),
        ("status:run", True),
        ("STATUS:Run", True),
        ("state:pend,run", True),
        ("status:failed", False),
        ("!status:failed", True),
        ("!llama", False),
        ("status:run llama", True),
        ("status:run vit", False),
        ("status:", True),
        ("!", True),
        ("gpu:h100", True),
        ("gpu:8xh", True),
        ("gpu:a100", False),
        ("age:<1d", True),
        ("age:<1h30m", False),
        ("age:<=1h30m", True),
        ("age:1h30m", True),
        ("!age:>2w", True),
        ("gpus:8", True),
        ("gpus:>8", False),
        ("name~^llama-.*t$", True),
        ("name~SFT", True),
        ("!name~^sft", True),
        ("name~v[0-9]", False),
        ('"llama"', True),
        ('"status:run"', False),
        ('!"status:run"', True),
        ('name:"llama-sft"', True),
        ('"llama', True),
    ],
)
def test_a_row_passes_when_every_word_holds(text: str, expected: bool) -> None:
    row_filter = RowFilter(text, FIELDS)
    assert (bool(row_filter.select([Row()])), row_filter.problem) == (expected, "")


def test_a_name_that_is_a_filter_word_is_found_in_quotes() -> None:
    row = Row(name="status:failed age:<1d")
    assert not passes("status:failed", row)
    assert passes('"status:failed age:<1d"', row)


def test_an_unknown_amount_holds_for_no_comparison() -> None:
    assert not passes("age:<1d", Row(age_s=None))
    assert not passes("age:>1d", Row(age_s=None))


@each(
    ("text", "problem"),
    [
        (
            "colour:red",
            "colour:red: no field is called colour; there are name, state, gpu, age, gpus; quotes search the text",
        ),
        ("age:yesterday", "age:yesterday: must be a duration after < or >, such as <1d or >2h30m"),
        ("age:<", "age:<: must be a duration after < or >, such as <1d or >2h30m"),
        ("gpus:many", "gpus:many: must be a number, which may follow < or >, such as 8 or >2.50"),
        ("gpus:nan", "gpus:nan: must be a number, which may follow < or >, such as 8 or >2.50"),
        ("age~1d", "age~1d: is an amount, which is compared: type for example age:>1"),
        ("name~[", "name~[: is not a regular expression: unterminated character set"),
        ("name~(a+)+$", "name~(a+)+$: may have up to 3 repeats (* + ?), none inside another, and no references"),
        ("name~(.)\\1", "name~(.)\\1: may have up to 3 repeats (* + ?), none inside another, and no references"),
        ("name~.*.*.*.*", "name~.*.*.*.*: may have up to 3 repeats (* + ?), none inside another, and no references"),
    ],
)
def test_an_invalid_word_is_named_and_left_out(text: str, problem: str) -> None:
    row_filter = RowFilter(f"{text} llama", FIELDS)
    assert row_filter.problem == problem
    assert row_filter.select([Row()]) == [Row()]
    assert RowFilter(f"{text} vit", FIELDS).select([Row()]) == []


def test_a_slow_pattern_ends_with_a_sentence() -> None:
    rows = [Row(name="a" * 250)] * 10_000
    row_filter = RowFilter("name~a*a*a*b", FIELDS)
    began = time.monotonic()
    row_filter.select(rows)
    assert time.monotonic() - began < 10
    assert row_filter.problem == "name~a*a*a*b: takes too long for so many rows"


@given(st.text())
def test_every_text_is_a_filter(text: str) -> None:
    assert passes(text) in (True, False)


@given(st.text(alphabet='abcrun:,!~<1h"', max_size=12).filter(lambda text: text.strip('!"') and text[0] != "!"))
def test_not_turns_a_valid_word_round(word: str) -> None:
    row_filter = RowFilter(word, FIELDS)
    negated = RowFilter("!" + word, FIELDS)
    if not row_filter.problem and row_filter._tests:
        assert bool(negated.select([Row()])) is not bool(row_filter.select([Row()]))
