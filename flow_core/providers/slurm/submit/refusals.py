"""Converts what sbatch prints when it refuses a task to errors in the user's terms."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flow_core.errors import AuthError, CapacityError, ConfigError, FlowError, NotFound, ProviderError, printable
from flow_core.providers.slurm.slurm_errors import build_slurm_error, read_first_error
from flow_core.providers.slurm.submit.provider_options import chooses_nodes

if TYPE_CHECKING:
    from flow_core.providers.slurm.submit.request import SbatchRequest

_PREFIX = re.compile(r"^\s*(?:sbatch: )?(?:(?:error|fatal): )?")
_FAILED = re.compile(r"(?:Batch job submission|allocation) fail(?:ed|ure): *", re.IGNORECASE)
_LIMIT = re.compile(r"\b((?:QOS|Assoc|Max|Part)[A-Z]\w{4,60})\b")
_OPTION = re.compile(r"--([a-z][a-z-]+)")
_OF_EVERY_TASK = frozenset({"job-name", "nodes", "ntasks-per-node", "array"})
_SHOWN_MAX = 300
ANY_OF_NODES = "nodes of any kind"
"""In place of an option: the first one of the task that chooses nodes."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal of sbatch: its text, the error, the option that caused it, and the sentence without the field.

    In the sentence, {value} is the value of the option, {line} what sbatch printed, {limit} the name of a limit of the
    site, and {title} the login node. `field` is the field of a task that names what an option can't.
    """

    pattern: re.Pattern[str]
    error: Callable[..., FlowError]
    option: str
    sentence: str
    field: str = ""


def _refusal(text: str, error: Callable[..., FlowError], option: str, sentence: str, *, field: str = "") -> Refusal:
    return Refusal(re.compile(text, re.IGNORECASE), error, option, sentence, field)


# The texts are those of Slurm 22.05 to 25.11 (slurm_errno.c, sbatch/opt.c). The first that matches is used.
REFUSALS = (
    _refusal(
        "invalid partition (name )?specified",
        ConfigError,
        "partition",
        "{title} has no partition {value}; `sinfo -s` lists the partitions",
        field="region",
    ),
    _refusal(
        "No partition specified or system default partition",
        ConfigError,
        "partition",
        "the cluster has no default partition; name one in the task, or as partition of the context",
        field="region",
    ),
    _refusal(
        "User's group not permitted to use this partition|Required partition not available|Partition in DOWN state"
        "|Requested partition configuration not available",
        CapacityError,
        "partition",
        "partition {value} takes no tasks of yours now ({line}); choose another one",
        field="region",
    ),
    _refusal(
        "Invalid account or account/partition combination|Invalid or unknown association|Invalid parent account",
        AuthError,
        "account",
        "Slurm doesn't let you use account {value} there; `sacctmgr show assoc user=$USER` lists your accounts",
        field="provider_options",
    ),
    _refusal(
        "Invalid qos specification|Invalid QOS",
        ConfigError,
        "qos",
        "Slurm doesn't let you use QOS {value} there; `sacctmgr show assoc user=$USER` lists yours",
        field="provider_options",
    ),
    _refusal(
        "violates accounting/QOS policy|has breached requested QOS|AssocMax|QOSMax|AssocGrp|QOSGrp|MaxSubmitJob",
        CapacityError,
        "",
        "a limit of your account or QOS doesn't allow it ({limit}); wait until others of your tasks have ended,"
        " or ask for less",
    ),
    _refusal(
        "Requested time limit is invalid|Invalid time-min|Invalid time limit",
        ConfigError,
        "time",
        "the partition or your account doesn't allow this time limit; ask for a shorter one",
        field="max_run_time_hours",
    ),
    _refusal(
        "Invalid feature specification|Invalid preferred feature|Multiple KNL|Invalid --constraint",
        ConfigError,
        "constraint",
        "no node has the features of the constraint {value}; `sinfo -o %f` lists the features",
        field="provider_options",
    ),
    _refusal(
        "Access denied to requested reservation",
        AuthError,
        "reservation",
        "you are not allowed to use the reservation {value}",
        field="reservation_id",
    ),
    _refusal(
        "Requested reservation is invalid|Reservation request lacks",
        NotFound,
        "reservation",
        "there is no reservation {value}",
        field="reservation_id",
    ),
    _refusal(
        "Requested reservation not usable now|reservation is in use|maintenance reservation",
        CapacityError,
        "reservation",
        "the reservation {value} can't be used for this task now",
        field="reservation_id",
    ),
    _refusal(
        "Invalid job array specification|Invalid --array",
        ConfigError,
        "array",
        "Slurm doesn't accept the indexes {value}; the site may limit the highest index",
        field="array",
    ),
    _refusal(
        "dependency",
        ConfigError,
        "dependency",
        "Slurm doesn't accept these tasks ({line})",
        field="after",
    ),
    _refusal(
        "Invalid node name specified|Requested nodes not in this partition|invalid node",
        ConfigError,
        "nodelist",
        "the partition has no such node; `sinfo -N` lists the nodes",
        field="provider_options",
    ),
    _refusal(
        "Invalid generic resource|Invalid GRES|Duplicate generic resource|Invalid Trackable RESource"
        "|Requested GRES option unsupported|Invalid --gres|Insufficient GRES",
        ConfigError,
        "gres",
        "the cluster has no such GPUs or other resources ({line}); `sinfo -o %G` lists them",
        field="instance_type",
    ),
    _refusal(
        "Node count specification invalid|is not a valid node count",
        ConfigError,
        "nodes",
        "the partition doesn't allow this number of nodes",
        field="num_instances",
    ),
    _refusal(
        "Memory specification can not be satisfied|Memory required by task is not available|Invalid --mem",
        CapacityError,
        "mem",
        "no node there has so much memory",
        field="min_memory_gb",
    ),
    _refusal(
        "More processors requested than permitted|CPU count specification invalid|CPU count per node can not",
        CapacityError,
        "cpus-per-task",
        "no node there has so many CPUs",
        field="min_cpus",
    ),
    _refusal(
        "Requested node configuration is not available|Requested topology configuration|Required node not available"
        "|not enough unique cores",
        CapacityError,
        ANY_OF_NODES,
        "no node there has everything that the task asks for; `sinfo -o '%P %D %c %m %G %f'` shows what there is",
        field="instance_type",
    ),
    _refusal(
        "Invalid license specification",
        ConfigError,
        "licenses",
        "the cluster has no license {value}",
        field="provider_options",
    ),
    _refusal("Invalid --nice value", ConfigError, "nice", "you may only lower the priority", field="provider_options"),
    _refusal(
        r"does not look like a batch script|line must start with #!",
        ConfigError,
        "",
        "the first line of the script must name its interpreter, such as #!/bin/bash",
        field="command",
    ),
    _refusal(
        "DOS line breaks",
        ConfigError,
        "",
        "the script has Windows line ends; convert it with dos2unix",
        field="command",
    ),
    _refusal("Batch script is empty|Job script not specified", ConfigError, "", "the script is empty", field="command"),
    _refusal(
        "contains NUL character|script is too large|exceeds size limit",
        ConfigError,
        "",
        "Slurm doesn't accept the script: {line}",
        field="command",
    ),
    _refusal(
        r"unrecognized option|invalid option|option .* requires an argument|ambiguous",
        ConfigError,
        "",
        "sbatch of {title} doesn't know an option ({line}); its version may be older or newer",
        field="provider_options",
    ),
    _refusal(
        r"Invalid (numeric value|--\S+ specification)|Invalid time specification|Invalid .* specified|Invalid argument",
        ConfigError,
        "",
        "sbatch doesn't accept a value: {line}",
        field="provider_options",
    ),
    _refusal(
        "MaxJobCount limit|temporarily unable to accept job|Rate limit exceeded|submissions disabled|Max powered up",
        CapacityError,
        "",
        "the cluster takes no more tasks now ({line}); try again later",
    ),
    _refusal(
        "No space left on device|Disk quota exceeded|I/O error writing script",
        ProviderError,
        "",
        "a disk of the cluster is full ({line}); tell its administrators",
    ),
)


def build_refusal(stderr: bytes, request: SbatchRequest, title: str, *, is_script: bool) -> FlowError:
    """Returns the error for what sbatch printed. An unknown text is quoted."""
    text = stderr.decode("utf-8", "replace")
    line = _find_reason(text)
    for refusal in REFUSALS:
        if refusal.pattern.search(text):
            field = _find_field(refusal, text, request, is_script=is_script)
            value = repr(request.options.get(refusal.option, ""))
            limit = _LIMIT.search(text)
            parts = {"value": value, "line": line, "limit": limit[1] if limit else line, "title": title}
            sentence = _fill(refusal.sentence, {name: printable(part) for name, part in parts.items()})
            return refusal.error(f"{field}: {sentence}" if field else sentence, field=field or None)
    error = build_slurm_error(stderr, title)
    if type(error) is ProviderError:
        return ProviderError(f"Slurm refused the task: {line}" if line else "Slurm refused the task without a reason")
    return error


def build_write_error(stderr: bytes, folder: str, title: str) -> FlowError:
    """Returns the error for files that could not be written to flow's folder on the cluster."""
    text = stderr.decode("utf-8", "replace")
    reason = read_first_error(text) or "it can't be written"
    for pattern, found in _WRITE_REASONS:
        if re.search(pattern, text, re.IGNORECASE):
            reason = found
    return ProviderError(
        f"flow's folder {printable(folder)} on {title} can't take the task: {reason}; make room there, or choose"
        " another one with folder in the context"
    )


_WRITE_REASONS = (
    ("Permission denied|Operation not permitted", "you may not write there"),
    ("Read-only file system", "its file system is read-only"),
    ("Not a directory|File exists", "a file has the name of a folder there"),
    ("Stale file handle|Input/output error|Transport endpoint", "its file system doesn't answer"),
    ("No space left on device", "its disk is full"),
    ("Disk quota exceeded|Quota exceeded", "your disk quota is used up"),
)


def _find_field(refusal: Refusal, text: str, request: SbatchRequest, *, is_script: bool) -> str:
    """Returns the field that set the option: of the task, "" if the context did, and the command for a script's own."""
    named = _OPTION.search(text)
    option = refusal.option or (named[1] if named else "")
    if option == ANY_OF_NODES:
        option = next((name for name in request.fields if chooses_nodes(name) and name not in _OF_EVERY_TASK), "")
    if option in request.fields:
        return request.fields[option]
    if option in request.options:
        return ""
    return "command" if is_script else refusal.field


def _find_reason(text: str) -> str:
    """Returns what sbatch printed as the reason, without its name: the last such line."""
    lines = [_PREFIX.sub("", line).strip() for line in text.splitlines() if line.strip()]
    reasons = [_FAILED.sub("", line) for line in lines if _FAILED.search(line)]
    line = (reasons or lines or [""])[-1]
    return printable(line[:_SHOWN_MAX])


def _fill(sentence: str, parts: dict[str, str]) -> str:
    """Replaces each {name} once, so that a value may contain braces."""
    return re.sub(r"\{(\w+)\}", lambda found: parts[found[1]], sentence)
