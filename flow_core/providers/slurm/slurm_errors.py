"""Converts the error output of Slurm's commands to errors with sentences for the user."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from flow_core.errors import AuthError, FlowError, NotFound, ProviderError, Unreachable, printable

_PREFIX = re.compile(r"^(?:s\w+: )?(?:error|fatal): |^s(?:batch|run|alloc|cancel|acct|queue|info|control|acctmgr): ")
_IMPORTANT = re.compile(r"\b(?:error|fatal)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Rule:
    """An error for output that matches. `{title}` is the login node, other names are groups of the pattern."""

    pattern: re.Pattern[str]
    error: Callable[[str], FlowError]
    sentence: str


def _rule(pattern: str, error: Callable[[str], FlowError], sentence: str) -> _Rule:
    return _Rule(re.compile(pattern, re.IGNORECASE | re.MULTILINE), error, sentence)


# The order matters: an unreachable database or a refused credential also makes slurmctld seem unreachable.
_RULES = (
    _rule(
        r"(?:^|: )(?:command: )?(?P<command>s(?:batch|run|alloc|cancel|acct|queue|info|control|acctmgr|cancel)): "
        r"(?:command )?not found",
        ProviderError,
        "{title} has no command {command}; set bin_dir in the context to the folder of Slurm's commands",
    ),
    _rule(
        r"accounting storage is disabled",
        ProviderError,
        "this cluster keeps no accounting, so Slurm knows ended jobs only for a few minutes",
    ),
    _rule(
        r"persist_conn|PersistInit|slurmdbd|talking to the database|DBD_|open_conn.*6819",
        Unreachable,
        "slurmdbd, the accounting of {title}, does not answer; try again, or tell the administrators of the cluster",
    ),
    _rule(
        r"munge|authentication error|auth_g_create|invalid authentication credential|Zero Bytes were transmitted",
        AuthError,
        "Slurm could not check who you are: munge on {title} fails ({line}); tell the administrators of the cluster",
    ),
    _rule(
        r"(?:No cluster '(?P<a>[^']*)'|'(?P<b>[^']*)' can't be reached now, or it is an invalid entry for --cluster"
        r"|Invalid cluster (?:name )?(?P<c>\S+))",
        NotFound,
        "Slurm does not know the cluster {name} or can't reach it; `sacctmgr list clusters` lists the names",
    ),
    _rule(
        r"(?:Unable to contact slurm controller|Unable to contact .*controller|slurmctld.*not responding"
        r"|Connection refused|Socket timed out|controller not responding|Connection timed out|No route to host"
        r"|Communication connection failure|controller in standby)",
        Unreachable,
        "slurmctld of {title} does not answer; try again in a minute, or tell the administrators of the cluster",
    ),
    _rule(
        r"cannot stat file|unable to status file|Unable to process configuration|Could not establish a configuration source"
        r"|DNS SRV lookup failed|failed to fetch config|error reading .*slurm\.conf",
        ProviderError,
        "Slurm on {title} finds no slurm.conf; set slurm_conf in the context to its path, or choose another login node",
    ),
    _rule(
        r"Incompatible versions|protocol version",
        ProviderError,
        "the Slurm commands of {title} have another version than its slurmctld; set bin_dir to the right ones",
    ),
    _rule(
        r"Invalid user(?: id|:)?",
        ProviderError,
        "Slurm does not know your user on {title}; ask the administrators of the cluster for an account",
    ),
    _rule(r"Invalid job id", NotFound, "Slurm does not know this job any more"),
    _rule(
        r"Access/permission denied|Permission denied",
        AuthError,
        "Slurm on {title} does not allow you to do this: {line}",
    ),
    _rule(r"No space left|Disk quota exceeded", ProviderError, "there is no room on the disk of {title}: {line}"),
)


def build_slurm_error(stderr: bytes, title: str) -> FlowError:
    """Returns the error for the output of a command that failed on the login node `title`.

    Unreachable if slurmctld or slurmdbd does not answer, so that the call may be repeated.
    """
    text = stderr.decode("utf-8", "replace")
    line = read_first_error(text)
    for rule in _RULES:
        if found := rule.pattern.search(text):
            groups = {name: printable(value) for name, value in found.groupdict().items() if value is not None}
            name = repr(next(iter(groups.values()), ""))
            return rule.error(rule.sentence.format_map({"title": title, "line": line, "name": name, **groups}))
    return ProviderError(f"Slurm on {title} failed: {line}" if line else f"Slurm on {title} failed without a reason")


def read_first_error(text: str) -> str:
    """Returns the first line that reports an error, otherwise the first line, without the name of the command."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    line = next((line for line in lines if _IMPORTANT.search(line)), lines[0] if lines else "")
    return printable(_PREFIX.sub("", line))
