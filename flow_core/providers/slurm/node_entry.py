"""The lines for sh on the login node that run a command on a node of a job, through srun or ssh."""

from __future__ import annotations

import posixpath
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from flow_core.providers.slurm.login_node import LEAVE_JOB
from flow_core.ssh.quoting import build_sh_command, quote_word

_STEP_FAILED = 215
"""The exit code of srun if the step could not start; a command's own code is another one, as a rule."""

# srun that is killed leaves its step behind, and whoever ends a line kills its whole process group. So a process of
# another session waits for the exit code, and ends the step if none comes.
_GUARD = """
read -r code && exit "$code"
step=$("$1/squeue" -h -s -j "$2" -o '%i %j' | sed -n "s/ $3\\$//p")
[ -z "$step" ] || "$1/scancel" "$step"
"""
# srun drops the last output of a process that a signal ended, so a shell turns the signal into an exit code.
_WITH_EXIT_CODE = '"$@"; exit $?'
# sshd leaves a command without a terminal running when its client is killed.
_WATCHED = """
(while sleep 2; do now=$(ps -o ppid= -p $$) && [ -n "$now" ] || exit; [ "$now" -eq $PPID ] || kill -KILL 0; done) \\
</dev/null >/dev/null 2>&1 & """


@dataclass(frozen=True, slots=True)
class SrunCommand:
    """The srun of a login node: its absolute path, and the slurm.conf that it needs; "" for its own default.

    `has_overlap` is whether a step needs the option to share a job with other steps: since Slurm 20.11. `leaves_job` is
    whether the program may run inside another job, whose variables would be options of srun.
    """

    path: str
    slurm_conf: str = ""
    has_overlap: bool = True
    leaves_job: bool = False

    @property
    def folder(self) -> str:
        return posixpath.dirname(self.path)


@dataclass(frozen=True, slots=True)
class JobNode:
    """A node of a running job. `gpus` is the number of its GPUs there, if srun needs it to find them."""

    job_id: str
    name: str
    gpus: int | None = None


def build_srun_line(srun: SrunCommand, node: JobNode, words: Sequence[str], *, needs_terminal: bool = False) -> str:
    """Returns the line that runs a command in a new step of the job, which shares everything with its other steps.

    It uses a terminal if its stdin is one. Without a terminal, killing the line ends the command. With
    `needs_terminal`, it works only on a terminal, and is short enough to be shown.
    """
    options = ["--jobid=" + node.job_id, "--nodes=1", "--ntasks=1", "--nodelist=" + node.name, "--mpi=none"]
    options += ["--overlap"] if srun.has_overlap else []
    options += [] if node.gpus is None else [f"--gpus={node.gpus}"]
    command = " ".join(map(quote_word, [srun.path, *options]))
    environment = LEAVE_JOB if srun.leaves_job else ""
    environment += f"export SLURM_CONF={quote_word(srun.slurm_conf)}; " if srun.slurm_conf else ""
    quoted = " ".join(map(quote_word, words))
    if needs_terminal:
        return f"{environment}exec {command} --quiet --pty {quoted}"
    return f"""{environment}set -- {quoted}
if [ -t 0 ]; then exec {command} --quiet --pty "$@"; fi
{_build_guarded(srun, node, command)}"""


def build_ssh_line(node: str, words: Sequence[str], *, needs_terminal: bool = False) -> str:
    """Returns the line that runs a command on a node, where the site lets users log in to the nodes of their jobs.

    It uses a terminal if its stdin is one. Without a terminal, killing the line ends the command within seconds.
    """
    command = "exec " + " ".join(map(quote_word, words))
    on_terminal = f"exec ssh -t -- {quote_word(node)} {quote_word(build_sh_command(command))}"
    if needs_terminal:
        return on_terminal
    watched = quote_word(build_sh_command(_WATCHED + command))
    return f"if [ -t 0 ]; then {on_terminal}; else exec ssh -o BatchMode=yes -- {quote_word(node)} {watched}; fi"


def _build_guarded(srun: SrunCommand, node: JobNode, command: str) -> str:
    """Returns lines that run a step, which ends if they are killed. Slurm's own messages would mix with the output."""
    name = f"flow-{secrets.token_hex(6)}"
    failed = f"srun could not run a command in job {node.job_id} on {node.name}; the job may have ended"
    wrapper = f"/bin/sh -c {quote_word(_WITH_EXIT_CODE)} sh"
    guard = " ".join(map(quote_word, ["/bin/sh", "-c", _GUARD, "sh", srun.folder, node.job_id, name]))
    return f"""exec 8>&1
{{ SLURM_EXIT_ERROR={_STEP_FAILED} {command} -QQ --job-name={name} {wrapper} "$@" >&8 8>&-; code=$?
[ $code -ne {_STEP_FAILED} ] || echo {quote_word(failed)} >&2
echo $code; }} | setsid {guard} >/dev/null 2>&1 8>&-"""
