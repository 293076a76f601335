"""The last answers of one context, and the effect of the next answer on them."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from flow_core.config import Context
from flow_core.errors import ProviderError
from flow_core.providers.contract.listing import find_total, find_unreadable

if TYPE_CHECKING:
    from flow_core.models.instance import AvailableInstance
    from flow_core.models.task import TaskRecord
    from flow_core.models.volume import Volume

TASKS = "tasks"
CONTEXTS = "contexts"
"""Not a facet: listeners get this name if a context answers, fails or has another facet now."""


class FacetRow(Protocol):
    @property
    def context(self) -> str: ...

    @property
    def key(self) -> Hashable: ...


RowT = TypeVar("RowT", bound=FacetRow)


@dataclass(frozen=True, slots=True)
class ContextState:
    """The last answers of one context. `answered_at` is on the monotonic clock, None before the first answer.

    `rows` holds the rows of each facet that was read, by the facet's name. `has_market` is whether capacity has a price
    there, and `has_scheduler` whether tasks wait in a queue that they share with other users; both are false until the
    context could be opened. `notes` states what could not be read, by facet. `kept` holds the
    read time of each row that the last answer lacks although it may still exist. `totals` holds the number of rows of a
    facet of which the answer has only some.
    """

    context: Context
    rows: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    has_market: bool = False
    has_scheduler: bool = False
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kept: Mapping[Hashable, float] = field(default_factory=dict)
    totals: Mapping[str, int] = field(default_factory=dict)
    error: str | None = None
    failures: int = 0
    answered_at: float | None = field(default=None, compare=False)

    @property
    def tasks(self) -> tuple[TaskRecord, ...]:
        return self.rows.get(TASKS, ())

    @property
    def task_total(self) -> int:
        """The number of tasks, also of those that were not listed."""
        return max(self.totals.get(TASKS, 0), len(self.tasks))

    @property
    def volumes(self) -> tuple[Volume, ...]:
        return self.rows.get("volumes", ())

    @property
    def instances(self) -> tuple[AvailableInstance, ...]:
        return self.rows.get("instances", ())

    @property
    def age_s(self) -> float | None:
        """Seconds since the last good answer."""
        return None if self.answered_at is None else time.monotonic() - self.answered_at

    @property
    def unreadable(self) -> tuple[str, ...]:
        """One sentence for each part of the last answers that could not be read."""
        return tuple(note for notes in self.notes.values() for note in notes)

    def row_age_s(self, row: FacetRow) -> float | None:
        """Returns the age of a row that is older than the last answer, in seconds; None if it is up to date."""
        if (read_at := self.kept.get(_row_identity(row))) is not None:
            return time.monotonic() - read_at
        return None if self.error is None else self.age_s


def find_changes(before: ContextState, now: ContextState) -> frozenset[str]:
    """Returns the facets whose rows or notes differ, and `CONTEXTS` if anything else differs."""
    changed = {
        facet
        for facet in {*before.rows, *now.rows, *before.notes, *now.notes, *before.totals, *now.totals}
        if _select(before, facet) != _select(now, facet)
    }
    is_first = before.answered_at is None
    if is_first or replace(before, rows=now.rows, notes=now.notes, totals=now.totals) != now:
        changed.add(CONTEXTS)
    return frozenset(changed)


def _select(state: ContextState, facet: str) -> tuple[object, ...]:
    return state.rows.get(facet), state.notes.get(facet), state.totals.get(facet)


def merge_answer(
    state: ContextState, noun: str, before: tuple[RowT, ...], answer: tuple[RowT, ...]
) -> tuple[tuple[RowT, ...], ContextState]:
    """Returns the rows to show after an answer, and the state with its notes about rows that could not be read.

    If the answer is incomplete, keeps the earlier rows that it lacks. Raises ProviderError if nothing could be read.
    """
    notes, total = find_unreadable(answer), find_total(answer)
    if notes and not answer:
        more = f" (and {len(notes) - 1} more)" if len(notes) > 1 else ""
        raise ProviderError(f"no {noun} could be read: {notes[0]}{more}")
    missing = _find_missing(before, answer) if notes else ()
    all_notes = {key: text for key, text in state.notes.items() if key != noun} | ({noun: notes} if notes else {})
    totals = {key: count for key, count in state.totals.items() if key != noun}
    if total is not None and total > len(answer):
        totals[noun] = total
    rows = (*answer, *missing) if missing else answer
    return rows, replace(state, notes=all_notes, kept=_keep(state, before, answer, missing), totals=totals)


def _find_missing(before: tuple[RowT, ...], answer: tuple[RowT, ...]) -> tuple[RowT, ...]:
    answered_keys = {row.key for row in answer}
    return tuple(row for row in before if row.key not in answered_keys)


def _keep(
    state: ContextState, before: tuple[RowT, ...], answer: tuple[RowT, ...], missing: tuple[RowT, ...]
) -> dict[Hashable, float]:
    """Returns the read times of the rows that answers lack: those of other facets, and the missing ones."""
    if not state.kept and not missing:
        return {}
    answered, read_at = {_row_identity(row) for row in (*before, *answer)}, state.answered_at or time.monotonic()
    others = {key: at for key, at in state.kept.items() if key not in answered}
    return others | {_row_identity(row): state.kept.get(_row_identity(row), read_at) for row in missing}


def _row_identity(row: FacetRow) -> Hashable:
    """Returns a key that is unique among rows of all kinds."""
    return type(row).__name__, row.key
