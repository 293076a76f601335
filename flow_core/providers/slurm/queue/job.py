"""A job of a Slurm cluster, as its commands last reported it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

NO_FLAGS: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Job:
    """One job, or one element of a job array. Texts are as the cluster printed them; they may be hostile.

    `job_id` is the decimal id that scancel and srun accept. Elements that still wait share the id of their array.
    `array_id` is the id of the array, "" for a job that is in none, and `array_index` is the index in it. `state` is
    the base word, such as RUNNING, and `flags` are further words, such as COMPLETING. `node_list` is expanded.
    `gpu_count` and `cpu_count` are totals of all nodes, and `gpu_type` is the site's name of the GPUs. `memory_mb` is
    the memory of one node. Times are aware UTC datetimes. `starts_at` is the time at which the scheduler expects to
    start the job. None means unknown, not yet, or no limit. `exit_code` is the batch script's own and `signal` the
    number of the signal that ended it, 0 for none. `cancelled_by` is a uid or name of a user. `array_limit` is the
    number of elements that may run at once, None without a limit. `script_path` is the path that sbatch was given.
    `output_path` is a pattern of sbatch, relative to `work_dir` unless it is absolute; "" is Slurm's default, or
    unknown for a job that has left the queue. `priority` is known only from the REST API.
    `array_indexes` are the elements of which this is the common record, because none of them has started; a record of
    one element, and of a job that is in no array, has none. `is_batch` is False for a job of srun or salloc.
    """

    job_id: str
    state: str
    array_id: str = ""
    array_index: int | None = None
    user: str = ""
    name: str = ""
    partition: str = ""
    account: str = ""
    qos: str = ""
    flags: frozenset[str] = NO_FLAGS
    reason: str = ""
    node_count: int = 1
    node_list: tuple[str, ...] = ()
    gpu_count: int = 0
    gpu_type: str | None = None
    cpu_count: int = 0
    memory_mb: int | None = None
    time_limit_s: int | None = None
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    starts_at: datetime | None = None
    exit_code: int | None = None
    signal: int = 0
    restarts: int = 0
    work_dir: str = ""
    output_path: str = ""
    comment: str = ""
    dependency: str = ""
    priority: int | None = None
    reservation: str = ""
    array_limit: int | None = None
    cancelled_by: str = ""
    script_path: str = ""
    array_indexes: tuple[int, ...] = ()
    is_batch: bool = True

    @property
    def task_id(self) -> str:
        """The id of its task: the id of the array, or of the job itself."""
        return self.array_id or self.job_id

    @property
    def slurm_id(self) -> str:
        """The id as users write it: "12", or "12_3" for an element of an array."""
        return self.job_id if self.array_index is None else f"{self.array_id}_{self.array_index}"
