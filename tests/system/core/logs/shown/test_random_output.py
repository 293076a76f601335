"""Random output is shown as by the terminal cores and by tmux."""

from __future__ import annotations

import pytest
from hypothesis import given
from testbed.properties import limit_examples
from testbed.shown_rows import cells_of_screen, rows_of_screen
from testbed.terminal_sequences import erasing_outputs, long_outputs, split_outputs
from testbed.terminal_truth import Tmux, cells_of_core, find_visible, rows_of_core

from flow_tui.terminal.bittty_core import BitttyCore
from flow_tui.terminal.core_loader import CoreFactory

COLS = 500


def native_core() -> CoreFactory:
    from flow_tui.terminal.ghostty_core import GhosttyCore  # not installed everywhere

    return GhosttyCore


@pytest.mark.needs("pyghostty")
@limit_examples(60)
@given(split_outputs())
def test_rows_are_those_of_the_native_core(pieces: list[bytes]) -> None:
    assert rows_of_screen(pieces) == rows_of_core(pieces, native_core(), COLS)


@pytest.mark.needs("pyghostty")
@limit_examples(25)
@given(split_outputs())
def test_colours_are_those_of_the_native_core(pieces: list[bytes]) -> None:
    assert find_visible(cells_of_screen(pieces)) == find_visible(cells_of_core(pieces, native_core(), COLS))


@limit_examples(25)
@given(split_outputs())
def test_rows_are_those_of_the_core_in_python(pieces: list[bytes]) -> None:
    assert rows_of_screen(pieces) == rows_of_core(pieces, BitttyCore, COLS)


@pytest.mark.needs("tmux")
@limit_examples(25)
@given(data=erasing_outputs)
def test_what_is_erased_or_scrolls_off_stays_above_as_in_tmux(tmux: Tmux, data: bytes) -> None:
    """tmux also keeps empty rows that something was erased from; which of them does not matter."""
    assert list(filter(None, rows_of_screen(data))) == list(filter(None, tmux.rows_of(data)))


@pytest.mark.needs("tmux")
@limit_examples(10)
@given(data=long_outputs)
def test_output_of_many_screens_has_the_rows_of_tmux(tmux: Tmux, data: bytes) -> None:
    assert list(filter(None, rows_of_screen(data))) == list(filter(None, tmux.rows_of(data)))
