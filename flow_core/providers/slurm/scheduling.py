"""Changes to queued and running jobs, estimates of starts, and the jobs of other users."""

from __future__ import annotations

import math
import re
import shlex
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from flow_core.errors import AuthError, ConfigError, Conflict, FlowError
from flow_core.models.scheduling import SIGNALS, StartEstimate
from flow_core.models.task import TaskStatus
from flow_core.providers.slurm.queue.hostlist import expand_hostlist
from flow_core.providers.slurm.queue.values import clean_label
from flow_core.providers.slurm.slurm_errors import build_slurm_error, read_first_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from flow_core.models.task import TaskRecord
    from flow_core.models.task_config import TaskConfig
    from flow_core.providers.slurm.login_node import LoginNode
    from flow_core.providers.slurm.queue.job_poller import JobPoller
    from flow_core.providers.slurm.settings import SlurmSettings
    from flow_core.providers.slurm.submit.site import Site

_CHANGE_S = 30.0
_HOURS_MAX = 24 * 366
_KNOWN_AHEAD = timedelta(days=360)
"""Slurm expects a job without a time limit to run for a year: a later start only means that nobody knows it."""
_START = re.compile(
    r"Job \d+ to start at (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?: using \d+ processors)?(?: on (?:nodes )?(\S+))?"
    r"(?: in partition (\S+))?"
)
_OTHER_USER = re.compile(r"Invalid user id", re.IGNORECASE)
_DENIED = re.compile(r"permission denied|not authorized", re.IGNORECASE)
_WAITS = re.compile(r"Job is pending execution", re.IGNORECASE)
_FORGOTTEN = re.compile(r"Invalid job id", re.IGNORECASE)
_ENDED = re.compile(r"already completing or completed|no longer pending|not (?:yet )?running|not be altered", re.I)
_DISABLED = re.compile(r"presently disabled|only valid for batch jobs|not (?:permitted|supported)", re.IGNORECASE)
_TIME = re.compile(r"time limit is invalid|Invalid time limit|exceeds", re.IGNORECASE)


class SlurmScheduling:
    """Changes with scontrol and scancel on the login node. All elements of an array change together."""

    def __init__(
        self, login_node: LoginNode, settings: SlurmSettings, poller: JobPoller, get_site: Callable[[], Site]
    ) -> None:
        self._login_node = login_node
        self._settings = settings
        self._poller = poller
        self._get_site = get_site

    async def hold(self, task_id: str) -> None:
        record = await self._poller.get(task_id, max_age_s=0)
        if TaskStatus.PENDING not in {record.status, *(element.status for element in record.elements)}:
            raise Conflict(f"{record.name} is {record.status.value}; only a pending task can be held")
        await self._change(record, self.describe_hold(record))

    async def release(self, task_id: str) -> None:
        record = await self._find_open(task_id)
        denied = f"an administrator of the cluster holds {record.name}; only an administrator can release it"
        await self._change(record, self.describe_release(record), denied)

    async def requeue(self, task_id: str) -> None:
        record = await self._poller.get(task_id)
        await self._change(record, self.describe_requeue(record))

    async def set_time_limit(self, task_id: str, hours: float) -> None:
        if isinstance(hours, bool) or not math.isfinite(hours) or not 0 < hours <= _HOURS_MAX:
            raise ConfigError("hours: must be more than 0 and at most a year", field="hours")
        record = await self._find_open(task_id)
        of = "a running task" if record.is_running else "a task above that of its partition"
        denied = f"only an operator of the cluster may raise the time limit of {of}; you may lower it"
        await self._change(record, self.describe_set_time_limit(record, hours), denied)

    async def signal(self, task_id: str, signal_name: str) -> None:
        if signal_name not in SIGNALS:
            raise ConfigError(f"signal: must be one of {', '.join(SIGNALS)}", field="signal")
        record = await self._poller.get(task_id, max_age_s=0)
        if not record.is_running:
            raise Conflict(f"{record.name} is {record.status.value}; only a running task gets signals")
        await self._change(record, self.describe_signal(record, signal_name))

    async def estimate_start(self, config: TaskConfig) -> StartEstimate | None:
        from flow_core.providers.slurm.submit.submission import SlurmSubmission  # lazy import: loads pydantic

        submission = SlurmSubmission(config, self._login_node, self._settings, self._get_site())
        return parse_start(await submission.estimate())

    async def watch_everyone(self, on: bool) -> None:
        self._poller.watch_everyone(on)

    def describe_hold(self, task: TaskRecord) -> str:
        return self._scontrol("uhold", task)  # with "hold", only an operator could release a job of an operator

    def describe_release(self, task: TaskRecord) -> str:
        return self._scontrol("release", task)

    def describe_requeue(self, task: TaskRecord) -> str:
        return self._scontrol("requeue", task)

    def describe_set_time_limit(self, task: TaskRecord, hours: float) -> str:
        # Slurm counts whole minutes; a shorter limit would end the job a minute early.
        minutes = max(1, math.ceil(hours * 60 - 1e-6))
        cluster = self._cluster_option()
        return f"scontrol{cluster} update JobId={shlex.quote(task.task_id)} TimeLimit={minutes}"

    def describe_signal(self, task: TaskRecord, signal_name: str) -> str:
        # Without the state, SIGKILL would cancel the elements of an array that wait.
        options = f"{self._cluster_option()} --state=RUNNING --full --signal={signal_name.removeprefix('SIG')}"
        return f"scancel{options} {shlex.quote(task.task_id)}"

    def _scontrol(self, verb: str, task: TaskRecord) -> str:
        return f"scontrol{self._cluster_option()} {verb} {shlex.quote(task.task_id)}"

    def _cluster_option(self) -> str:
        return "" if self._settings.cluster is None else f" --clusters={shlex.quote(self._settings.cluster)}"

    async def _find_open(self, task_id: str) -> TaskRecord:
        record = await self._poller.get(task_id, max_age_s=0)
        if record.is_terminal:
            raise Conflict(f"{record.name} has already ended ({record.status.value})")
        return record

    async def _change(self, record: TaskRecord, command: str, denied: str = "") -> None:
        """Runs one of the described commands. `denied` is why this user may not do that to a task of their own."""
        try:
            result = await self._login_node.run(f"command {command}", timeout_s=_CHANGE_S)
        finally:
            self._poller.expire()
        # scancel fails without a word if an element of the array has not started.
        if result.exit_code and result.stderr.strip():
            raise self._build_refusal(record, result.stderr, denied)

    def _build_refusal(self, record: TaskRecord, stderr: bytes, denied: str) -> FlowError:
        text = stderr.decode("utf-8", "replace")
        line = read_first_error(text)
        if _OTHER_USER.search(text) or (_DENIED.search(text) and not denied):
            owner = record.owner or "another user"
            return AuthError(f"{record.name} is a task of {owner}; only {owner} and administrators can change it")
        if _DENIED.search(text):
            return AuthError(denied)
        if _WAITS.search(text):
            return Conflict(f"{record.name} waits in the queue already")
        if _FORGOTTEN.search(text):
            return Conflict(f"Slurm does not know {record.name} any more; submit it again")
        if _ENDED.search(text):
            return Conflict(f"the state of {record.name} has changed meanwhile ({line})")
        if _DISABLED.search(text):
            return Conflict(f"the cluster or the options of {record.name} don't allow this ({line})")
        if _TIME.search(text):
            return ConfigError(f"hours: the partition or your account doesn't allow this ({line})", field="hours")
        return build_slurm_error(stderr, self._login_node.title)


def parse_start(text: str, now: datetime | None = None) -> StartEstimate | None:
    """Parses what `sbatch --test-only` printed with times in UTC; None if it names no start that can be known."""
    found = _START.search(text)
    if found is None:
        return None
    starts_at = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
    if starts_at - (now or datetime.now(UTC)) > _KNOWN_AHEAD:
        return None
    nodes = tuple(map(clean_label, expand_hostlist(found[2] or "")))
    return StartEstimate(starts_at, nodes, clean_label(found[3] or ""))
