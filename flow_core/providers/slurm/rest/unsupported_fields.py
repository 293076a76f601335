"""The fields of a TaskConfig that need files on the cluster, which slurmrestd can't store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core.providers.contract.supported_fields import UnsupportedField
from flow_core.providers.over_ssh.code_folder import find_code
from flow_core.providers.slurm.submit.plan import list_links

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig

UNSUPPORTED_WITHOUT_SSH: tuple[UnsupportedField[TaskConfig], ...] = (
    UnsupportedField(
        "env",
        lambda task: task.env,
        "without SSH, Slurm would store the values with the job; let the command read them from a file that only you"
        " can read",
    ),
    UnsupportedField(
        "upload_code",
        lambda task: find_code(task) is not None,
        "without SSH, no code can be sent; write upload_code: false, and set working_dir to its folder on the cluster",
    ),
    UnsupportedField(
        "data_mounts",
        list_links,
        "without SSH, no path can be linked into /workspace; use the path of the cluster in the command",
    ),
)
