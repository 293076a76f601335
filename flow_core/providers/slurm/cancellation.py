"""Cancels jobs, and removes the variables of those that flow submitted."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from flow_core.providers.slurm.run_folder import ENV
from flow_core.providers.slurm.slurm_errors import build_slurm_error
from flow_core.ssh.quoting import quote_word

if TYPE_CHECKING:
    from flow_core.models.task import TaskRecord
    from flow_core.providers.slurm.login_node import LoginNode
    from flow_core.providers.slurm.queue.job_poller import JobPoller
    from flow_core.providers.slurm.settings import SlurmSettings

_CANCEL_S = 30.0
_ENDED = ("Invalid job id specified", "already completing or completed")


async def cancel_job(
    login_node: LoginNode, settings: SlurmSettings, poller: JobPoller, task_id: str, *, force: bool
) -> None:
    """Cancels a job, or all elements of an array. Calling it again is safe, also after the end.

    Raises NotFound, AuthError for a job of another user, ProviderError, Unreachable.
    """
    record = await poller.get(task_id)
    if record.is_terminal:
        return
    submission = poller.get_submission(record.task_id)
    script = f"command {build_cancel_command(settings, record, force=force)} || exit\n"
    if submission is not None:
        # The job of a task that waits never runs its script, which would remove them.
        script += f"rm -f {quote_word(f'{submission.folder}/{ENV}')}\n"
    result = await login_node.run(script, timeout_s=_CANCEL_S)
    poller.expire()
    message = result.stderr.decode("utf-8", "replace")
    if result.exit_code and not any(text in message for text in _ENDED):
        raise build_slurm_error(result.stderr, login_node.title)


def build_cancel_command(settings: SlurmSettings, record: TaskRecord, *, force: bool = False) -> str:
    """Returns the command for sh. Slurm may wait for some seconds even after SIGKILL (KillWait of the site)."""
    cluster = "" if settings.cluster is None else f" --clusters={shlex.quote(settings.cluster)}"
    signal = " --signal=KILL --full" if force else ""
    return f"scancel{cluster}{signal} {shlex.quote(record.task_id)}"
