"""Finds the folder of Slurm's commands on a login node."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flow_core.errors import ConfigError, ProviderError, Unreachable, printable
from flow_core.providers.slurm.cluster_path import quote_path
from flow_core.ssh.quoting import build_sh_command, quote_word

if TYPE_CHECKING:
    from flow_core.models.completed_command import CompletedCommand
    from flow_core.providers.over_ssh.task_nodes import Host
    from flow_core.providers.slurm.settings import SlurmSettings

_SEARCH_S = 20.0
_LOGIN_SHELL_S = 10.0
_FOUND = re.compile(rb"^flow-slurm:(/[^\n]*)\nflow-conf:([^\n]*)\n", re.MULTILINE)
# A folder with all three: a wrapper that the user calls squeue is not next to the others.
_FIND = r"""
find_slurm() {
  for dir do
    case $dir in /*) ;; *) continue ;; esac
    [ -x "$dir/squeue" ] && [ -x "$dir/sbatch" ] && [ -x "$dir/scontrol" ] || continue
    printf '\nflow-slurm:%s\nflow-conf:%s\n' "$dir" "${SLURM_CONF-}"
    exit 0
  done
}
"""
_FIND_ON_PATH = f"""{_FIND}
IFS=:
set -f
find_slurm $PATH
exit 1
"""
_FIND_IN_USUAL_FOLDERS = f"""{_FIND}
find_slurm /opt/slurm/bin /opt/slurm/*/bin /opt/slurm*/bin /usr/local/slurm/bin /usr/local/slurm/*/bin \\
  /usr/local/bin /usr/bin /cm/shared/apps/slurm/*/bin /cm/local/apps/slurm/*/bin /usr/slurm/bin /sw/slurm/bin
exit 1
"""


@dataclass(frozen=True, slots=True)
class SlurmCommands:
    """The folder of Slurm's commands, absolute, and the slurm.conf that they need; None for their own default."""

    folder: str
    slurm_conf: str | None = None


async def find_slurm_commands(host: Host, settings: SlurmSettings, title: str) -> SlurmCommands:
    """Finds the commands: in the folder of the settings, otherwise on the PATH, in the login shell, in usual folders.

    Takes at most 60 s, usually one call. Raises ConfigError (field "bin_dir"), ProviderError and Unreachable.
    """
    if settings.bin_dir is not None:
        script = f"{_FIND}\nfind_slurm {quote_path(settings.bin_dir)}\nexit 1"
        found = _parse(await host.run(script, timeout_s=_SEARCH_S))
        if found is None:
            raise ConfigError(
                f"bin_dir: {title} has no squeue, sbatch and scontrol in {printable(settings.bin_dir)}", field="bin_dir"
            )
        return found
    found = (
        _parse(await host.run(_FIND_ON_PATH, timeout_s=_SEARCH_S))
        or await _find_in_login_shell(host)
        or _parse(await host.run(_FIND_IN_USUAL_FOLDERS, timeout_s=_SEARCH_S))
    )
    if found is None:
        raise ProviderError(
            f"{title} has no Slurm commands on its PATH and in the usual folders; set bin_dir in the context to the"
            " folder of squeue",
            field="bin_dir",
        )
    return found


async def _find_in_login_shell(host: Host) -> SlurmCommands | None:
    """Searches the PATH that the start-up files of the login shell set, such as those of environment modules."""
    command = quote_word(build_sh_command(_FIND_ON_PATH))
    script = f'"${{SHELL:-/bin/sh}}" -lc {command} </dev/null 2>/dev/null || exec /bin/sh -lc {command} </dev/null'
    try:
        return _parse(await host.run(script, timeout_s=_LOGIN_SHELL_S))
    except Unreachable:
        return None  # a start-up file waits for something; a lost connection fails in the next call


def _parse(result: CompletedCommand) -> SlurmCommands | None:
    """Reads the last result: start-up files may print anything before it."""
    results = _FOUND.findall(result.stdout)
    if not results:
        return None
    folder, slurm_conf = (text.decode("utf-8", "surrogateescape") for text in results[-1])
    return SlurmCommands(folder, slurm_conf or None)
