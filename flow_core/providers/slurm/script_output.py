"""The files to which Slurm writes the output of scripts that flow did not write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flow_core.providers.slurm.output_pattern import PatternValues, expand_output_pattern
from flow_core.providers.slurm.queue.records import make_token
from flow_core.ssh.quoting import quote_word

if TYPE_CHECKING:
    from flow_core.providers.slurm.job_nodes import JobNodeLookup
    from flow_core.providers.slurm.login_node import LoginNode
    from flow_core.providers.slurm.queue.job import Job
    from flow_core.providers.slurm.run_folder import Submission
    from flow_core.providers.slurm.settings import SlurmSettings

_KNOWN_MAX = 1000


@dataclass(frozen=True, slots=True)
class _Patterns:
    """The patterns of --output and --error; "" for Slurm's default. None if nobody knows them any more."""

    output: str | None
    error: str | None


class ScriptOutput:
    """Finds the files of jobs. Asks Slurm once for each job or element that flow did not submit."""

    def __init__(self, login_node: LoginNode, settings: SlurmSettings, job_nodes: JobNodeLookup) -> None:
        self._login_node = login_node
        self._cluster = "" if settings.cluster is None else f" -M {quote_word(settings.cluster)}"
        self._job_nodes = job_nodes
        self._known: dict[str, _Patterns] = {}

    async def find_path(self, job: Job, submission: Submission | None, *, is_stderr: bool) -> str | None:
        """Returns the path of a file, absolute; None for a job without one, and if it is unknown."""
        if not job.is_batch:
            return None
        patterns = await self._find_patterns(job, submission)
        pattern = (patterns.error or patterns.output) if is_stderr else patterns.output
        if pattern is None:
            return None
        working_dir = job.work_dir if submission is None else submission.working_dir or job.work_dir
        node = await self._find_hostname(job) if "%" in pattern and "N" in pattern else ""
        values = PatternValues(
            job_id=job.job_id,
            user=job.user,
            job_name=job.name,
            node=node,
            array_id=job.array_id,
            array_index=job.array_index,
        )
        return expand_output_pattern(pattern, values, working_dir or "/")

    async def has_separate_stderr(self, job: Job, submission: Submission | None) -> bool:
        """Returns whether stderr is in another file than stdout."""
        patterns = await self._find_patterns(job, submission)
        return bool(patterns.error) and patterns.error != patterns.output

    async def _find_patterns(self, job: Job, submission: Submission | None) -> _Patterns:
        if submission is not None:
            return _Patterns(submission.output_path, submission.error_path)
        if job.job_id not in self._known:
            self._known[job.job_id] = await self._ask(job)
            while len(self._known) > _KNOWN_MAX:
                del self._known[next(iter(self._known))]
        return self._known[job.job_id]

    async def _ask(self, job: Job) -> _Patterns:
        """Slurm knows ended jobs for some minutes, and its accounting knows their patterns since 24.11."""
        token, job_id = make_token(), quote_word(job.job_id)
        options = f"{self._cluster} -j {job_id}"
        script = f"""command squeue{options} -h -t all -O 'StdOut:0{token},StdErr:0{token}' 2>/dev/null ||
command sacct{options} -X -n -p --delimiter={token} -o StdOut,StdErr 2>/dev/null
:"""
        answer = (await self._login_node.query(script)).decode("utf-8", "replace").split(token)
        if len(answer) < 3:
            return _Patterns(job.output_path or None, None)
        output, error = answer[0].rpartition("\n")[2], answer[1]
        return _Patterns(self._shorten(job, output), self._shorten(job, error))

    def _shorten(self, job: Job, path: str) -> str:
        """Returns the pattern; "" for the default, which Slurm prints expanded, and wrongly for an array."""
        return "" if path == f"{job.work_dir}/slurm-{job.job_id}.out" else path

    async def _find_hostname(self, job: Job) -> str:
        """Returns what %N stands for: the host name of the first node, which is nearly always the name of the node."""
        if not job.node_list:
            return ""
        first = job.node_list[0]
        return (await self._job_nodes.find(job)).hostnames.get(first, first)
