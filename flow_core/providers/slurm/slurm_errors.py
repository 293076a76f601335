"""Converts the error output of Slurm's commands to errors with sentences for the user."""

from __future__ import annotations

import re
from dataclasses import dataclass

from flow_core.errors import AuthError, FlowError, NotFound, ProviderError, Unreachable, printable

_COMMANDS = "squeue|sbatch|srun|scontrol|sinfo|sacct|sacctmgr|scancel|sprio|sshare|salloc"
_PREFIX = re.compile(rf"^(?:(?:{_COMMANDS}): )?(?:(?:error|fatal): )?")
_IMPORTANT = re.compile(r"\b(?:error|fatal)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Rule:
    """The error for output that matches. Its sentence may name `title`, the matching `line`, and a group as `name`."""

    pattern: re.Pattern[str]
    error: type[FlowError]
    sentence: str


def build_slurm_error(stderr: bytes, title: str) -> FlowError:
    """Returns the error for the output of a command that failed on the login node `title`.

    Unreachable if slurmctld or slurmdbd does not answer, so that the call may be repeated.
    """
    text = stderr.decode("utf-8", "replace")
    for rule in _RULES:
        if found := rule.pattern.search(text):
            line = read_first_error(text[text.rfind("\n", 0, found.start()) + 1 :].partition("\n")[0])
            name = next((value for value in found.groups() if value is not None), "")
            return rule.error(rule.sentence.format(title=title, line=line, name=printable(name)))
    line = read_first_error(text)
    return ProviderError(f"Slurm on {title} failed: {line}" if line else f"Slurm on {title} failed without a reason")


def read_first_error(text: str) -> str:
    """Returns the first line that reports an error, otherwise the first line, without the name of the command."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    line = next((line for line in lines if _IMPORTANT.search(line)), lines[0] if lines else "")
    return printable(_PREFIX.sub("", line))


def _rule(pattern: str, error: type[FlowError], sentence: str) -> _Rule:
    return _Rule(re.compile(pattern, re.IGNORECASE | re.MULTILINE), error, sentence)


# The order matters: an unknown cluster makes the database seem broken, and that makes slurmctld seem broken.
_RULES = (
    _rule(
        rf"(?:^|[:/ ])({_COMMANDS}): (?:command )?not found",
        ProviderError,
        "{title} has no command {name}; set bin_dir in the context to the folder of Slurm's commands",
    ),
    _rule(
        r"accounting storage is disabled|not running a supported accounting_storage",
        ProviderError,
        "this cluster keeps no accounting: Slurm knows ended jobs only for a few minutes, and no limits",
    ),
    _rule(
        r"No cluster '([^'\n]*)'|'([^'\n]*)' can't be reached now, or it is an invalid entry for --cluster",
        ProviderError,
        "Slurm does not know the cluster '{name}' or can't reach it; `sacctmgr list clusters` lists the names",
    ),
    _rule(
        r"persist_conn|PersistInit|slurmdbd|talking to (?:the )?database|\bDBD_",
        Unreachable,
        "slurmdbd, the accounting of {title}, does not answer; try again, or tell the administrators of the cluster",
    ),
    _rule(
        r"Munge \w+ failed|authentication error|invalid authentication credential|Zero Bytes were transmitted",
        AuthError,
        "Slurm can't check who you are, as munge on {title} fails ({line}); tell the administrators of the cluster",
    ),
    _rule(
        r"Unable to contact slurm controller|Socket timed out|Connection refused|Connection timed out|No route to host"
        r"|controller not responding|Communication connection failure|controller in standby",
        Unreachable,
        "slurmctld of {title} does not answer; try again in a minute, or tell the administrators of the cluster",
    ),
    _rule(
        r"cannot stat file|unable to status file|Unable to process configuration|Could not establish a configuration"
        r"|DNS SRV lookup failed|failed to fetch config",
        ProviderError,
        "Slurm on {title} finds no slurm.conf; set slurm_conf in the context to its path, or choose another login node",
    ),
    _rule(
        r"Incompatible versions|Protocol version has changed",
        ProviderError,
        "the Slurm commands of {title} have another version than its slurmctld; set bin_dir to the right ones",
    ),
    _rule(
        r"Invalid user",
        AuthError,
        "Slurm does not know your user on {title}; ask the administrators of the cluster for an account",
    ),
    _rule(r"Invalid job id", NotFound, "Slurm does not know this job, or not any more"),
    _rule(r"Permission denied", AuthError, "{title} does not allow this to you: {line}"),
    _rule(r"No space left|Disk quota exceeded", ProviderError, "there is no room on the disk of {title}: {line}"),
)
