"""The jobs that have left the queue: what the accounting tells of them, and what to do if it tells nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from flow_core.providers.slurm.queue.poll_script import HISTORY_TIMEOUT
from flow_core.providers.slurm.queue.sacct import SacctDecoder
from flow_core.providers.slurm.slurm_errors import build_slurm_error

if TYPE_CHECKING:
    from flow_core.providers.slurm.queue.job_table import JobTable
    from flow_core.providers.slurm.queue.own_runs import OwnRuns
    from flow_core.providers.slurm.queue.poll_script import PollAnswer

_NO_ACCOUNTING = re.compile(r"accounting storage is disabled|supported accounting_storage plugin", re.IGNORECASE)
_PAUSE_S = 60.0
_OVERLAP_S = 300
_GIVE_UP_S = 60.0
_DAY_S = 86_400


class History:
    """Decides when to ask the accounting, and ends the jobs that nobody knows any more.

    The first question covers all days of the history. Later ones cover the time since the last answer and a few minutes
    more, because slurmdbd may learn of an end late.
    """

    def __init__(self, days: float, title: str) -> None:
        self._length_s = round(days * _DAY_S)
        self._title = title
        self._decoder = SacctDecoder()
        self._asked_at = self._answered_at = float("-inf")
        self._lost_at: dict[str, float] = {}
        self.is_off = not self._length_s
        """Whether the cluster keeps no accounting, or the settings want no history."""
        self.failure = ""
        """A sentence if the accounting exists and does not answer."""

    @property
    def unreadable(self) -> int:
        """The number of jobs of the last answer that could not be read."""
        return self._decoder.unreadable

    def choose_length_s(self, now: float, *, is_needed: bool) -> int | None:
        """Returns the seconds of history to ask for; None to ask for none now.

        `is_needed` is whether jobs have left the queue without a known end.
        """
        if self.is_off or (now - self._asked_at < _PAUSE_S and (not is_needed or self.failure)):
            return None
        return min(self._length_s, round(min(now - self._answered_at, self._length_s)) + _OVERLAP_S)

    def add_answer(self, answer: PollAnswer, table: JobTable, now: float) -> None:
        """Adds the jobs of an answer of the accounting to the table."""
        if answer.history is not None or answer.history_failure:
            self._asked_at = now
        if answer.history is not None:
            table.add_ended(self._decoder.decode(answer.history, answer.token))
            self._answered_at, self.failure = now, ""
        elif _NO_ACCOUNTING.search(answer.history_failure):
            self.is_off, self.failure = True, ""
        elif HISTORY_TIMEOUT in answer.history_failure:
            self.failure = f"sacct on {self._title} {HISTORY_TIMEOUT}, so ended jobs may be missing; lower history_days"
        elif answer.history_failure:
            self.failure = str(build_slurm_error(answer.history_failure.encode(), self._title))

    def end_lost(self, table: JobTable, own_runs: OwnRuns, now: float) -> None:
        """Ends the jobs that left the queue and of which everything was asked. The accounting may take a minute."""
        table.add_ended(own_runs.list_unlisted(table))
        self._lost_at = {task_id: self._lost_at.get(task_id, now) for task_id in table.lost}
        for task_id, lost_at in self._lost_at.items():
            is_own = own_runs.get_submission(task_id) is not None
            if not is_own or own_runs.was_asked(task_id):
                is_final = self.is_off or now - lost_at >= _GIVE_UP_S
                table.end_lost(task_id, own_runs.get_statuses(task_id), is_final=is_final)
