"""Finds the nodes of running jobs, for the facets that enter them from the login node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from flow_core.errors import AuthError, ConfigError, Conflict, printable
from flow_core.models.task import TaskStatus
from flow_core.providers.over_ssh.task_nodes import TaskNode
from flow_core.providers.slurm.node_entry import JobNode, build_srun_line, build_ssh_line
from flow_core.providers.slurm.queue.job_states import get_status

if TYPE_CHECKING:
    from flow_core.models.task import TaskRecord
    from flow_core.providers.slurm.job_nodes import JobNodeLookup
    from flow_core.providers.slurm.login_node import LoginNode
    from flow_core.providers.slurm.queue.job import Job
    from flow_core.providers.slurm.queue.job_poller import JobPoller
    from flow_core.providers.slurm.run_folder import Submission
    from flow_core.providers.slurm.settings import SlurmSettings

_SHOWN_INDEXES = 10
_Line = Callable[..., str]
# Jobs that flow did not submit have no script that enters them.
_CHANGE_FOLDER = 'cd -- "$1" 2>/dev/null || cd; shift; [ $# -gt 0 ] || exec "${SHELL:-/bin/sh}" -l; exec "$@"'


class SlurmTaskLocator:
    """The TaskLocator of the jobs of a cluster. Of an array, `node` is the index of the element.

    The first call for a job makes one request, which later calls for the job don't repeat.
    """

    def __init__(
        self, login_node: LoginNode, settings: SlurmSettings, poller: JobPoller, job_nodes: JobNodeLookup
    ) -> None:
        self._login_node = login_node
        self._settings = settings
        self._poller = poller
        self._job_nodes = job_nodes

    async def locate(self, task_id: str, node: int, *, also_ended: bool = False) -> TaskNode:
        record = await self._poller.get(task_id)
        submission = self._poller.get_submission(record.task_id)
        job, index = choose_node(record, await self._poller.get_jobs(record.task_id), node)
        if get_status(job) is not TaskStatus.RUNNING or "COMPLETING" in job.flags or not job.node_list:
            directory = _find_directory(job, submission)
            if also_ended and directory and (job.started_at is not None or record.attempt):
                return TaskNode(await self._login_node.get_host(), directory, _refuse_entry)
            raise Conflict(_describe_refusal(record, job))
        return await self._build_node(record, submission, job, index)

    async def is_over(self, task_id: str) -> bool:
        return (await self._poller.get(task_id)).is_terminal

    async def _build_node(self, record: TaskRecord, submission: Submission | None, job: Job, index: int) -> TaskNode:
        nodes = await self._job_nodes.find(job)
        if job.user not in ("", nodes.user) and nodes.user != "root":
            raise AuthError(f"task {record.task_id} belongs to {printable(job.user)}; only its owner can enter it")
        name = job.node_list[index]
        build_line: _Line
        if self._settings.attach == "ssh":
            build_line, machine = partial(build_ssh_line, name), name
        else:
            build_line = partial(build_srun_line, nodes.srun, JobNode(job.job_id, name, nodes.gpus.get(name)))
            machine = f"{name} (job {job.slurm_id})"  # a step sees only the GPUs of its job, and ends with it
        prefix = _build_entry_words(job, submission, index)

        def enter(command: str | None) -> str:
            words = [*prefix, *([] if command is None else ["/bin/sh", "-c", command])]
            return build_line(words, needs_terminal=command is None)

        return TaskNode(
            host=await self._login_node.get_host(),
            directory=_find_directory(job, submission),
            enter=enter,
            address=nodes.addresses.get(name, name),
            name=f"node {index} of {record.name}" if job.node_count > 1 else record.name,
            machine=machine,
            on_machine=lambda script: build_line(["/bin/sh", "-c", script]),
        )


def choose_node(record: TaskRecord, jobs: Sequence[Job], node: int) -> tuple[Job, int]:
    """Returns the job and the index of its node: of an array, the first node of the element with that index.

    Without such an element, 0 is the first one that runs. Raises ConfigError (field "node").
    """
    if not record.elements:
        if not 0 <= node < record.num_instances:
            nodes = f"the nodes 0 to {record.num_instances - 1}" if record.num_instances > 1 else "one node, 0"
            raise ConfigError(f"node: task {record.task_id} has {nodes}, and no {node}", field="node")
        return jobs[0], min(node, max(len(jobs[0].node_list) - 1, 0))
    element = next((job for job in jobs if job.array_index == node), None)
    running = [job for job in jobs if get_status(job) is TaskStatus.RUNNING]
    if node == 0 and running and element not in running:
        return running[0], 0
    if element is None and node:
        raise ConfigError(f"node: array {record.task_id} has no element {node}", field="node")
    return element or jobs[0], 0


def _find_directory(job: Job, submission: Submission | None) -> str:
    """Returns the directory of a task on the shared file system. That of an image is only in the image."""
    if submission is None:
        return job.work_dir
    return submission.files.code if submission.image else submission.working_dir or submission.files.code


def _build_entry_words(job: Job, submission: Submission | None, index: int) -> list[str]:
    """Returns the words before a command; without a command, they run a login shell."""
    if submission is None:
        return ["/bin/sh", "-c", _CHANGE_FOLDER, "sh", job.work_dir]
    variables = [f"FLOW_NODE_RANK={index}", f"FLOW_NUM_NODES={max(job.node_count, 1)}"]
    if job.array_index is not None:
        variables += [f"{name}={job.array_index}" for name in ("FLOW_ARRAY_INDEX", "SLURM_ARRAY_TASK_ID")]
    return ["env", *variables, "/bin/sh", submission.files.enter_script]


def _describe_refusal(record: TaskRecord, job: Job) -> str:
    if "COMPLETING" in job.flags:
        return f"task {record.task_id} has ended, and Slurm cleans up its nodes; only a running one can be entered"
    if not record.elements:
        return f"task {record.task_id} is {record.status}; only a running one can be entered"
    running = [str(one.index) for one in record.elements if one.status is TaskStatus.RUNNING]
    shown = ", ".join(running[:_SHOWN_INDEXES]) + (", ..." if len(running) > _SHOWN_INDEXES else "")
    where = f"; these run: {shown}" if running else ""
    return f"element {job.array_index} of array {printable(record.task_id)} does not run{where}"


def _refuse_entry(command: str | None) -> str:
    return "echo 'this task has ended, so its node can not be entered' >&2; exit 1"
