"""The login node of a cluster: runs scripts with Slurm's commands there, or on this machine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from flow_core.errors import FlowError, ProviderError, Unreachable
from flow_core.models.completed_command import CompletedCommand
from flow_core.providers.slurm.cluster_path import quote_path
from flow_core.providers.slurm.command_lookup import SlurmCommands, find_slurm_commands
from flow_core.providers.slurm.slurm_errors import build_slurm_error
from flow_core.ssh.quoting import quote_word

if TYPE_CHECKING:
    from flow_core.providers.over_ssh.host_pool import HostPool
    from flow_core.providers.over_ssh.task_nodes import Host
    from flow_core.providers.slurm.local_host import LocalHost
    from flow_core.providers.slurm.settings import SlurmSettings

_NOT_FOUND = 127
_LOOKUP_PAUSE_S = 30.0
# The variables would change what the commands print. Which ones exist depends on the version.
_UNSET_FORMATS = """unset SLURM_TIME_FORMAT $(env | sed -n \
-e 's/^\\(SQUEUE_[A-Z0-9_]*\\)=.*/\\1/p' -e 's/^\\(SACCT_[A-Z0-9_]*\\)=.*/\\1/p' \
-e 's/^\\(SINFO_[A-Z0-9_]*\\)=.*/\\1/p' -e 's/^\\(SCONTROL_[A-Z0-9_]*\\)=.*/\\1/p')
export LC_ALL=C TZ=UTC0
"""
# Inside a job, sbatch would take the size of that job for the new one.
LEAVE_JOB = """[ -z "${SLURM_JOB_ID-}" ] || unset $(env | sed -n \
-e '/^SLURM_CONF=/d' -e '/^SLURM_CLUSTERS=/d' -e 's/^\\(SLURM_[A-Z0-9_]*\\)=.*/\\1/p')
"""
# Slurm's commands wait for a minute for a missing file.
_CHECK_CONF = """[ -z "${SLURM_CONF-}" ] || [ -r "$SLURM_CONF" ] || {
printf 'error: cannot stat file %s\\n' "$SLURM_CONF" >&2; exit 1; }
"""


class LoginNode:
    """The login node of a context, over SSH; this machine if the settings name no host. Connects on demand.

    A script calls Slurm's commands as `command squeue`, so that no function of the user's shell replaces them.
    """

    def __init__(self, settings: SlurmSettings, pool: HostPool) -> None:
        self._settings = settings
        self._pool = pool
        self._local_host: LocalHost | None = None
        self._commands: SlurmCommands | None = None
        self._lookup = asyncio.Lock()
        self._lookup_error: FlowError | None = None
        self._failed_at = 0.0

    @property
    def title(self) -> str:
        """The login node in a sentence."""
        return "this machine" if self._settings.host is None else f"login node {self._settings.host.name!r}"

    async def get_host(self) -> Host:
        """Returns the login node. Raises ConfigError and Unreachable; makes no connection."""
        wanted = self._settings.host
        if wanted is not None:
            return await self._pool.find(
                wanted.name,
                config=wanted.ssh_config,
                hostname=wanted.hostname,
                user=wanted.user,
                port=wanted.port,
                login_timeout_s=self._settings.login_timeout_s,
            )
        if self._local_host is None:
            from flow_core.providers.slurm.local_host import LocalHost  # lazy import: only a local cluster needs it

            self._local_host = LocalHost()
        return self._local_host

    async def query(self, script: str, *, timeout_s: float = 30.0, stdin: bytes = b"") -> bytes:
        """Runs a script for sh that reads from Slurm, and returns its stdout. Calling it again is safe.

        The script gets the C locale and UTC, and none of the variables that change the output of Slurm's commands.
        Raises Unreachable after `timeout_s` or if slurmctld does not answer, and ProviderError, AuthError or NotFound
        with Slurm's reason if the script ends with another exit code than 0.
        """
        commands = await self._find_commands()
        # The commands' folder comes first: the PATH may contain wrappers with their names.
        path = f"PATH={quote_word(commands.folder)}:$PATH; export PATH\n"
        began = self._now()
        try:
            result = await self._run(f"{path}{_UNSET_FORMATS}{self._export_conf(commands)}{script}", timeout_s, stdin)
        except Unreachable as error:
            if self._now() - began < timeout_s:
                raise  # the login node can't be reached
            raise Unreachable(
                f"slurmctld of {self.title} did not answer within {timeout_s:g} s; try again in a minute"
            ) from error
        if result.exit_code == _NOT_FOUND:
            self._commands = None  # Slurm may have moved to the folder of another version
        if result.exit_code:
            raise build_slurm_error(result.stderr or result.stdout, self.title)
        if result.is_cut:
            raise ProviderError(f"the answer of Slurm on {self.title} is too long; ask for fewer jobs or days")
        return result.stdout

    async def run(self, script: str, *, timeout_s: float = 60.0, stdin: bytes = b"") -> CompletedCommand:
        """Runs a script for sh that may change something, in the environment of the user outside of jobs.

        A job inherits that environment. Calling it again runs the script again. Raises Unreachable after `timeout_s`;
        every exit code is a result.
        """
        commands = await self._find_commands()
        folder = quote_word(commands.folder)
        path = f'case ":$PATH:" in *:{folder}:*) ;; *) PATH=$PATH:{folder}; export PATH ;; esac\n'
        return await self._run(f"{path}{LEAVE_JOB}{self._export_conf(commands)}{script}", timeout_s, stdin)

    async def close(self) -> None:
        """Ends what still runs on this machine; the pool closes connections. Calling it again is safe."""
        if self._local_host is not None:
            await self._local_host.close()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _run(self, script: str, timeout_s: float, stdin: bytes) -> CompletedCommand:
        host = await self.get_host()
        return await host.run(script, timeout_s=timeout_s, stdin=stdin)

    def _export_conf(self, commands: SlurmCommands) -> str:
        if self._settings.slurm_conf is not None:
            return f"SLURM_CONF={quote_path(self._settings.slurm_conf)}; export SLURM_CONF\n{_CHECK_CONF}"
        if commands.slurm_conf is not None:
            return f"SLURM_CONF={quote_word(commands.slurm_conf)}; export SLURM_CONF\n{_CHECK_CONF}"
        return ""

    async def _find_commands(self) -> SlurmCommands:
        """Returns the commands of the first lookup. After a lookup that found none, waits 30 s before the next."""
        async with self._lookup:
            if self._commands is not None:
                return self._commands
            if self._lookup_error is not None and self._now() - self._failed_at < _LOOKUP_PAUSE_S:
                raise self._lookup_error.with_traceback(None)
            try:
                self._commands = await find_slurm_commands(await self.get_host(), self._settings, self.title)
            except Unreachable:
                raise  # the next call may reach it
            except FlowError as error:
                self._lookup_error, self._failed_at = error, self._now()
                raise
            return self._commands
