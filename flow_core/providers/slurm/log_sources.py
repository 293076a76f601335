"""Finds the log files of jobs on the shared file system: those of flow's own scripts, and those of other scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core.errors import ConfigError, NotFound, Unsupported, printable
from flow_core.logs.log_id import LogId
from flow_core.logs.search.stored_lines import NO_LINES
from flow_core.providers.over_ssh.line_search import find_lines
from flow_core.providers.over_ssh.task_nodes import LogFile
from flow_core.ssh.quoting import quote_word

if TYPE_CHECKING:
    from flow_core.logs.search.stored_lines import LineRequest, StoredLines
    from flow_core.models.task import TaskRecord
    from flow_core.providers.slurm.login_node import LoginNode
    from flow_core.providers.slurm.queue.job_poller import JobPoller
    from flow_core.providers.slurm.run_folder import RunFolder
    from flow_core.providers.slurm.script_output import ScriptOutput

STDERR_OF_ARRAY = 500_000
"""The stderr of element I of an array has this number plus I as its rank, if a script writes it to its own file.

An array with such an index has only its stdout.
"""

_LIST_S = 20.0


class SlurmLogSources:
    """The LogSources of the jobs of a cluster. They are read on the login node.

    flow's own scripts write one log for each attempt and rank; that of an element of an array has its index as rank.
    Other scripts have the logs that Slurm writes for them: rank 0 is stdout, and rank 1 is stderr if that is another
    file. Slurm writes them anew in each attempt, so only the last attempt has them.
    """

    def __init__(self, context: str, login_node: LoginNode, poller: JobPoller, output: ScriptOutput) -> None:
        self.context = context
        self._login_node = login_node
        self._poller = poller
        self._output = output

    async def list_log_ids(self, task_id: str) -> tuple[LogId, ...]:
        record = await self._poller.get(task_id)
        if record.started_at is None and not record.attempt:
            return ()
        attempts = range(record.attempt + 1)
        ranks = [element.index for element in record.elements] or list(range(record.num_instances))
        if not self._has_own_script(record.task_id):
            attempts, ranks = attempts[-1:], await self._list_ranks_of_script(record)
        elif record.elements:
            attempts = range(await self._find_last_attempt(record) + 1)
        return tuple(LogId(self.context, task_id, attempt, rank) for attempt in attempts for rank in ranks)

    async def find_file(self, address: LogId) -> LogFile | None:
        record = await self._find_record(address)
        submission = self._poller.get_submission(record.task_id)
        index = _get_index(record, address.rank) if record.elements else None
        jobs = await self._poller.get_jobs(record.task_id)
        job = next((job for job in jobs if job.array_index == index), jobs[0])
        if job.started_at is None and not record.attempt and not job.restarts:
            return None
        if submission is None or submission.is_user_script:
            path = await self._output.find_path(job, submission, is_stderr=_is_stderr(record, address.rank))
        elif record.elements:
            path = await self._find_newest_log(submission.files, address, job.restarts)
        else:
            path = submission.files.get_log(address.attempt, address.rank)
        return None if path is None else LogFile(await self._login_node.get_host(), path)

    async def find_lines(self, address: LogId, request: LineRequest) -> StoredLines:
        file = await self.find_file(address)
        return NO_LINES if file is None else await find_lines(file, request)

    async def find_startup_log(self, task_id: str, node: int) -> LogFile:
        record = await self._poller.get(task_id)
        if not record.elements and not 0 <= node < record.num_instances:
            raise ConfigError(f"node: task {record.task_id} has no node {node}", field="node")
        raise Unsupported(
            "source: a Slurm cluster has no startup log; it sets up no machine for a task", field="source"
        )

    async def is_over(self, address: LogId) -> bool:
        record = await self._find_record(address)
        if record.is_terminal or not record.elements:
            return record.is_terminal or address.attempt < record.attempt
        index = _get_index(record, address.rank)
        return next(element.status.is_final for element in record.elements if element.index == index)

    async def _find_record(self, address: LogId) -> TaskRecord:
        """Returns the task of a log. Raises NotFound if the task has no such log, and will not have one."""
        record = await self._poller.get(address.task_id)
        is_own, last_attempt = self._has_own_script(record.task_id), record.attempt
        rank, ranks = address.rank, range(record.num_instances if is_own else 2)
        exists = rank in ranks
        if record.elements:
            index = rank if is_own else _get_index(record, rank)
            exists = any(element.index == index for element in record.elements)
            if address.attempt > last_attempt:
                last_attempt = await self._find_last_attempt(record)
        if not exists or not 0 <= address.attempt <= last_attempt:
            shown = printable(address.task_id)
            raise NotFound(f"task {shown} has no log of attempt {address.attempt}, rank {rank}")
        return record

    def _has_own_script(self, task_id: str) -> bool:
        submission = self._poller.get_submission(task_id)
        return submission is not None and not submission.is_user_script

    async def _find_last_attempt(self, record: TaskRecord) -> int:
        """Returns the last attempt of any element of an array; the record has that of one element."""
        return max(job.restarts for job in await self._poller.get_jobs(record.task_id))

    async def _list_ranks_of_script(self, record: TaskRecord) -> list[int]:
        """Returns the ranks of a script that flow did not write; makes a request the first time."""
        jobs, submission = await self._poller.get_jobs(record.task_id), self._poller.get_submission(record.task_id)
        if not jobs[0].is_batch:
            return []
        has_stderr = await self._output.has_separate_stderr(jobs[0], submission)
        if not record.elements:
            return [0, 1] if has_stderr else [0]
        indexes = [element.index for element in record.elements]
        if not has_stderr or indexes[-1] >= STDERR_OF_ARRAY:
            return indexes
        return indexes + [STDERR_OF_ARRAY + index for index in indexes]

    async def _find_newest_log(self, files: RunFolder, address: LogId, restarts: int) -> str:
        """Returns the log of an element in an attempt; in its last one, the newest that exists.

        Elements are requeued and retried separately, and Slurm counts only the requeues.
        """
        wanted = files.get_log(min(address.attempt, restarts), address.rank)
        if address.attempt < restarts:
            return wanted
        host = await self._login_node.get_host()
        pattern = f"{quote_word(files.path)}/attempt-*/rank-{address.rank}.log"
        listed = (await host.run(f"ls -d {pattern} 2>/dev/null", timeout_s=_LIST_S)).stdout.decode("utf-8", "replace")
        attempts = [path.rpartition("/attempt-")[2].partition("/")[0] for path in listed.splitlines()]
        newest = max((int(attempt) for attempt in attempts if attempt.isdecimal()), default=restarts)
        return files.get_log(newest, address.rank)


def _get_index(record: TaskRecord, rank: int) -> int:
    """Returns the index of the element that writes a log of an array."""
    return rank - STDERR_OF_ARRAY if _is_stderr(record, rank) else rank


def _is_stderr(record: TaskRecord, rank: int) -> bool:
    """Returns whether a log of a script that flow did not write is its stderr."""
    if not record.elements:
        return rank == 1
    return rank >= STDERR_OF_ARRAY > record.elements[-1].index
