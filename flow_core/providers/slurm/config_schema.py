"""The settings of a context of a Slurm cluster; none is required on a login node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flow_core.providers.contract.config_schema import ConfigField
from flow_core.providers.over_ssh.login_timeout import LOGIN_TIMEOUT, LOGIN_TIMEOUT_MEANING
from flow_core.providers.slurm.settings import (
    DEFAULT_FOLDER,
    DEFAULT_HISTORY_DAYS,
    DEFAULT_POLL_S,
    find_problems,
)

_FIELDS = (
    ConfigField("host", "the login node, by its name in ~/.ssh/config", default="this machine"),
    ConfigField("cluster", "the cluster, where the login node serves several", default="the login node's own"),
    ConfigField("partition", "the partition of tasks that name none", default="the cluster's default"),
    ConfigField("account", "the account of tasks that name none", default="your default account"),
    ConfigField("qos", "the QOS of tasks that name none", default="your default QOS"),
    ConfigField("constraint", "the node features that tasks need if they name none"),
    ConfigField("folder", "flow's folder on the cluster; all nodes must share it", default=DEFAULT_FOLDER),
    ConfigField("bin_dir", "the folder of squeue and sbatch there", default="found automatically"),
    ConfigField("slurm_conf", "the slurm.conf there", default="the default of Slurm's commands"),
    ConfigField("poll_s", "the seconds between two questions for all jobs, at least", default=f"{DEFAULT_POLL_S:g}"),
    ConfigField("history_days", "the days that ended jobs are listed", default=f"{DEFAULT_HISTORY_DAYS:g}"),
    ConfigField("container", "what runs images: apptainer, enroot, pyxis or none", default="the first one found"),
    ConfigField("attach", "what enters a job's node: srun or ssh", default="srun"),
    ConfigField("paths", "the shared paths to list", default="$HOME, $SCRATCH, $WORK and $PROJECT there"),
    ConfigField(LOGIN_TIMEOUT, LOGIN_TIMEOUT_MEANING, default="120"),
    ConfigField("rest_url", "the address of slurmrestd, to control jobs without SSH"),
    ConfigField("rest_user", "the user whom slurmrestd knows", default="your user name here"),
    ConfigField("rest_token_file", "a file with the token for slurmrestd", default="SLURM_JWT of the environment"),
)


class SlurmConfigSchema:
    """The settings of a context of a Slurm cluster."""

    def config_fields(self) -> tuple[ConfigField, ...]:
        return _FIELDS

    def validate_config(self, settings: Mapping[str, Any]) -> tuple[str, ...]:
        return find_problems(settings)
