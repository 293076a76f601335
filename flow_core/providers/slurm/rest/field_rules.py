"""The field of a job in JSON for each option of sbatch, in the two families of versions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from flow_core.providers.slurm.rest.api_description import ApiDescription, Form
from flow_core.providers.slurm.rest.option_values import (
    read_exclusive,
    read_flag,
    read_gpu_memory,
    read_gpu_share,
    read_gpus,
    read_mail_types,
    read_megabytes,
    read_minutes,
    read_nice,
    read_open_mode,
    read_opposite,
    read_oversubscription,
    read_sharing,
    read_text,
    read_whole,
)

Value = str | int | bool | None


class FieldRule(NamedTuple):
    """A field, its value for the text of the option (None: no limit), and its usual form in JSON."""

    field: str
    read: Callable[[str], Value] = read_text
    form: Form = "text"


def find_rule(option: str, api: ApiDescription) -> FieldRule | None:
    """Returns the rule of an option; None if this version has no field for it.

    Versions that parse the fields themselves ignore those that they do not know.
    """
    if not api.is_parsed:
        return _SBATCH_RULES.get(option)
    rule = _SLURMCTLD_RULES.get(option)
    is_known = rule is not None and (not api.job_fields or rule.field in api.job_fields)
    return rule if is_known else None


_COMMON_RULES: Mapping[str, FieldRule] = {
    "account": FieldRule("account"),
    "acctg-freq": FieldRule("account_gather_frequency"),
    "array": FieldRule("array"),
    "batch": FieldRule("batch_features"),
    "bb": FieldRule("burst_buffer"),
    "cluster-constraint": FieldRule("cluster_constraint"),
    "comment": FieldRule("comment"),
    "constraint": FieldRule("constraints"),
    "core-spec": FieldRule("core_specification", read_whole, "whole"),
    "cpu-freq": FieldRule("cpu_frequency"),
    "cpus-per-task": FieldRule("cpus_per_task", read_whole, "whole"),
    "dependency": FieldRule("dependency"),
    "error": FieldRule("standard_error"),
    "hold": FieldRule("hold", read_flag, "flag"),
    "input": FieldRule("standard_input"),
    "job-name": FieldRule("name"),
    "licenses": FieldRule("licenses"),
    "mail-user": FieldRule("mail_user"),
    "mcs-label": FieldRule("mcs_label"),
    "mem": FieldRule("memory_per_node", read_megabytes, "struct"),
    "mem-per-cpu": FieldRule("memory_per_cpu", read_megabytes, "struct"),
    "mincpus": FieldRule("minimum_cpus_per_node", read_whole, "whole"),
    "nice": FieldRule("nice", read_nice, "whole"),
    "no-requeue": FieldRule("requeue", read_opposite, "flag"),
    "nodes": FieldRule("nodes"),
    "ntasks": FieldRule("tasks", read_whole, "whole"),
    "ntasks-per-core": FieldRule("tasks_per_core", read_whole, "whole"),
    "ntasks-per-node": FieldRule("tasks_per_node", read_whole, "whole"),
    "ntasks-per-socket": FieldRule("tasks_per_socket", read_whole, "whole"),
    "output": FieldRule("standard_output"),
    "partition": FieldRule("partition"),
    "prefer": FieldRule("prefer"),
    "qos": FieldRule("qos"),
    "requeue": FieldRule("requeue", read_flag, "flag"),
    "reservation": FieldRule("reservation"),
    "sockets-per-node": FieldRule("sockets_per_node", read_whole, "whole"),
    "thread-spec": FieldRule("thread_specification", read_whole, "whole"),
    "threads-per-core": FieldRule("threads_per_core", read_whole, "whole"),
    "time": FieldRule("time_limit", read_minutes, "struct"),
    "time-min": FieldRule("time_minimum", read_minutes, "struct"),
    "wait-all-nodes": FieldRule("wait_all_nodes", read_flag, "flag"),
    "wckey": FieldRule("wckey"),
}
_SBATCH_RULES: Mapping[str, FieldRule] = {
    **_COMMON_RULES,
    "cpus-per-gpu": FieldRule("cpus_per_gpu"),
    "deadline": FieldRule("deadline"),
    "distribution": FieldRule("distribution"),
    "exclusive": FieldRule("exclusive", read_exclusive),
    "gpu-bind": FieldRule("gpu_binding"),
    "gpu-freq": FieldRule("gpu_frequency"),
    "gpus": FieldRule("gpus"),
    "gpus-per-node": FieldRule("gpus_per_node"),
    "gpus-per-socket": FieldRule("gpus_per_socket"),
    "gpus-per-task": FieldRule("gpus_per_task"),
    "gres": FieldRule("gres"),
    "gres-flags": FieldRule("gres_flags"),
    "kill-on-invalid-dep": FieldRule("kill_on_invalid_dependency", read_flag, "flag"),
    "mail-type": FieldRule("mail_type"),
    "mem-bind": FieldRule("memory_binding"),
    "mem-per-gpu": FieldRule("memory_per_gpu", read_megabytes, "whole"),
    "nodelist": FieldRule("nodelist"),
    "open-mode": FieldRule("open_mode"),
    "oversubscribe": FieldRule("oversubscribe", read_flag, "flag"),
    "priority": FieldRule("priority"),
    "spread-job": FieldRule("spread_job", read_flag, "flag"),
}
"""The fields of v0.0.36 to v0.0.38: those of sbatch, which read the same texts, whatever their description says."""
_SLURMCTLD_RULES: Mapping[str, FieldRule] = {
    **_COMMON_RULES,
    "contiguous": FieldRule("contiguous", read_flag, "flag"),
    "cpus-per-gpu": FieldRule("cpus_per_tres", read_gpu_share),
    "exclude": FieldRule("excluded_nodes", read_text, "list"),
    "exclusive": FieldRule("shared", read_sharing, "list"),
    "extra": FieldRule("extra"),
    "gpus": FieldRule("tres_per_job", read_gpus),
    "gpus-per-node": FieldRule("tres_per_node", read_gpus),
    "gpus-per-socket": FieldRule("tres_per_socket", read_gpus),
    "gpus-per-task": FieldRule("tres_per_task", read_gpus),
    "gres": FieldRule("tres_per_node"),
    "mail-type": FieldRule("mail_type", read_mail_types, "list"),
    "mem-per-gpu": FieldRule("memory_per_tres", read_gpu_memory),
    "network": FieldRule("network"),
    "nodelist": FieldRule("required_nodes", read_text, "list"),
    "open-mode": FieldRule("open_mode", read_open_mode, "list"),
    "overcommit": FieldRule("overcommit", read_flag, "flag"),
    "oversubscribe": FieldRule("shared", read_oversubscription, "list"),
    "priority": FieldRule("priority", read_whole, "struct"),
    "reboot": FieldRule("reboot", read_flag, "flag"),
    "tmp": FieldRule("temporary_disk_per_node", read_megabytes, "whole"),
}
"""The fields from v0.0.39 on: those of slurmctld."""
