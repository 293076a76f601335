"""Changes to queued and running jobs, estimates of starts, and the jobs of other users."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flow_core.errors import AuthError, ConfigError, Conflict, FlowError
from flow_core.models.scheduling import SIGNALS, StartEstimate
from flow_core.models.task import TaskStatus
from flow_core.providers.slurm.queue.hostlist import expand_hostlist
from flow_core.providers.slurm.queue.values import clean_label
from flow_core.providers.slurm.slurm_errors import build_slurm_error, read_first_error
from flow_core.providers.slurm.submit.submission import SlurmSubmission
from flow_core.ssh.quoting import quote_word

if TYPE_CHECKING:
    from flow_core.models.task import TaskRecord
    from flow_core.models.task_config import TaskConfig
    from flow_core.providers.slurm.login_node import LoginNode
    from flow_core.providers.slurm.queue.job_poller import JobPoller
    from flow_core.providers.slurm.settings import SlurmSettings
    from flow_core.providers.slurm.submit.site import Site

_CHANGE_S = 30.0
_HOURS_MAX = 24 * 366
_START = re.compile(
    r"Job \d+ to start at (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?: using \d+ processors)?(?: on (?:nodes )?(\S+))?"
    r"(?: in partition (\S+))?"
)
_ENDED = re.compile(r"already completing or completed|no longer pending|not (?:yet )?running|Invalid job id", re.I)
_DISABLED = re.compile(r"presently disabled|only valid for batch jobs|not (?:permitted|supported)", re.I)
_DENIED = re.compile(r"permission denied|not authorized", re.I)


class SlurmScheduling:
    """Changes with scontrol and scancel on the login node. All elements of an array change together."""

    def __init__(self, login_node: LoginNode, settings: SlurmSettings, poller: JobPoller, site: Site) -> None:
        self._login_node = login_node
        self._settings = settings
        self._poller = poller
        self._site = site

    async def hold(self, task_id: str) -> None:
        record = await self._poller.get(task_id, max_age_s=0)
        if record.status is not TaskStatus.PENDING:
            raise Conflict(f"{record.name} is {record.status.value}; only a pending task can be held")
        await self._change(self.describe_hold(record), "can't hold")

    async def release(self, task_id: str) -> None:
        record = await self._find_open(task_id)
        await self._change(self.describe_release(record), "can't release")

    async def requeue(self, task_id: str) -> None:
        record = await self._poller.get(task_id)
        await self._change(self.describe_requeue(record), "can't queue again")

    async def set_time_limit(self, task_id: str, hours: float) -> None:
        if isinstance(hours, bool) or not math.isfinite(hours) or not 0 < hours <= _HOURS_MAX:
            raise ConfigError("hours: must be more than 0 and at most a year", field="hours")
        record = await self._find_open(task_id)
        denied = "only an operator of the cluster may raise the time limit of a job; a user may only lower it"
        await self._change(self.describe_set_time_limit(record, hours), "can't change the time limit of", denied)

    async def signal(self, task_id: str, signal_name: str) -> None:
        if signal_name not in SIGNALS:
            raise ConfigError(f"signal: must be one of {', '.join(SIGNALS)}", field="signal")
        record = await self._poller.get(task_id, max_age_s=0)
        if not record.is_running:
            raise Conflict(f"{record.name} is {record.status.value}; only a running task gets signals")
        await self._change(self.describe_signal(record, signal_name), "can't signal")

    async def estimate_start(self, config: TaskConfig) -> StartEstimate | None:
        return parse_start(await SlurmSubmission(config, self._login_node, self._settings, self._site).estimate())

    async def watch_everyone(self, on: bool) -> None:
        self._poller.watch_everyone(on)

    def describe_hold(self, task: TaskRecord) -> str:
        return self._scontrol("hold", task)

    def describe_release(self, task: TaskRecord) -> str:
        return self._scontrol("release", task)

    def describe_requeue(self, task: TaskRecord) -> str:
        return self._scontrol("requeue", task)

    def describe_set_time_limit(self, task: TaskRecord, hours: float) -> str:
        # Slurm counts whole minutes; a shorter limit would end the job a minute early.
        minutes = max(1, math.ceil(hours * 60 - 1e-6))
        cluster = self._cluster_option()
        return f"scontrol{cluster} update JobId={quote_word(task.task_id)} TimeLimit={minutes}"

    def describe_signal(self, task: TaskRecord, signal_name: str) -> str:
        name = signal_name.removeprefix("SIG")
        return f"scancel{self._cluster_option()} --full --signal={name} {quote_word(task.task_id)}"

    def _scontrol(self, verb: str, task: TaskRecord) -> str:
        return f"scontrol{self._cluster_option()} {verb} {quote_word(task.task_id)}"

    def _cluster_option(self) -> str:
        return "" if self._settings.cluster is None else f" --clusters={quote_word(self._settings.cluster)}"

    async def _find_open(self, task_id: str) -> TaskRecord:
        record = await self._poller.get(task_id, max_age_s=0)
        if record.is_terminal:
            raise Conflict(f"{record.name} has already ended ({record.status.value})")
        return record

    async def _change(self, command: str, failed: str, denied: str = "") -> None:
        """Runs one of the described commands; `failed` begins the sentence of a refusal."""
        result = await self._login_node.run(f"command {command}", timeout_s=_CHANGE_S)
        self._poller.expire()
        if result.exit_code:
            raise self._build_refusal(result.stderr, failed, denied)

    def _build_refusal(self, stderr: bytes, failed: str, denied: str) -> FlowError:
        text = stderr.decode("utf-8", "replace")
        line = read_first_error(text)
        if _ENDED.search(text):
            return Conflict(f"Slurm {failed} this task, because its state has changed ({line})")
        if _DISABLED.search(text):
            return Conflict(f"Slurm {failed} this task: {line}; the cluster or the job does not allow it")
        if _DENIED.search(text):
            return AuthError(f"{self._login_node.title}: {denied or f'Slurm {failed} a task of another user: {line}'}")
        return build_slurm_error(stderr, self._login_node.title)


def parse_start(text: str) -> StartEstimate | None:
    """Parses what `sbatch --test-only` printed with times in UTC; None if it names no start."""
    found = _START.search(text)
    if found is None:
        return None
    starts_at = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
    return StartEstimate(starts_at, expand_hostlist(found[2] or ""), clean_label(found[3] or ""))
