"""The nodes of running jobs as the login node reaches them, and the srun that enters them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flow_core.errors import ProviderError
from flow_core.providers.slurm.node_entry import SrunCommand
from flow_core.providers.slurm.queue.hostlist import expand_hostlist
from flow_core.providers.slurm.queue.records import make_token
from flow_core.ssh.quoting import quote_word

if TYPE_CHECKING:
    from flow_core.providers.slurm.login_node import LoginNode
    from flow_core.providers.slurm.queue.job import Job
    from flow_core.providers.slurm.settings import SlurmSettings

_KNOWN_MAX = 200
_NODE = re.compile(r"NodeName=(\S+) .*?NodeAddr=(\S+) NodeHostName=(\S+)")
_SHARE = re.compile(r" Nodes=(\S+) CPU_IDs=\S* Mem=\S* GRES=(\S*)")
_GPUS = re.compile(r"(?:^|,)gpu(?::[^:,()]+)*?:(\d+)\(")
# For such requests Slurm gives a step the GPUs of the whole job, or of one rank, unless it names a number.
_UNEVEN = re.compile(r" TresPer(?:Job|Task|Socket)=\S*gpu")


@dataclass(frozen=True, slots=True)
class JobNodes:
    """What does not change while a job runs: the address and the host name of each node, and its GPUs if needed.

    `user` is the user's own name on the login node.
    """

    srun: SrunCommand
    user: str = ""
    addresses: Mapping[str, str] = field(default_factory=dict)
    hostnames: Mapping[str, str] = field(default_factory=dict)
    gpus: Mapping[str, int] = field(default_factory=dict)


class JobNodeLookup:
    """Looks up the nodes of jobs, once for each start of a job."""

    def __init__(self, login_node: LoginNode, settings: SlurmSettings) -> None:
        self._login_node = login_node
        self._cluster = "" if settings.cluster is None else f" -M {quote_word(settings.cluster)}"
        self._is_local = settings.host is None
        self._known: dict[tuple[str, object], JobNodes] = {}
        self._lock = asyncio.Lock()

    async def find(self, job: Job) -> JobNodes:
        """Returns the nodes of a running or ended job. Raises ProviderError, Unreachable."""
        key = (job.job_id, job.started_at)
        async with self._lock:
            if key not in self._known:
                self._known[key] = await self._ask(job)
                while len(self._known) > _KNOWN_MAX:
                    del self._known[next(iter(self._known))]
            return self._known[key]

    async def _ask(self, job: Job) -> JobNodes:
        token = make_token()
        output = (await self._login_node.query(self._build_script(job, token))).decode("utf-8", "replace")
        lines = [line.removeprefix(token).partition(" ") for line in output.split("\n") if line.startswith(token)]
        texts = {name: text for name, _, text in lines}
        if not texts.get("srun", "").startswith("/"):
            raise ProviderError(
                f"{self._login_node.title} has no command srun; set bin_dir in the context to its folder"
            )
        found = [match for name, _, text in lines if name == "node" and (match := _NODE.match(text))]
        return JobNodes(
            srun=SrunCommand(texts["srun"], texts.get("conf", ""), "overlap" in texts, self._is_local),
            user=texts.get("user", ""),
            addresses={match[1]: match[2] for match in found},
            hostnames={match[1]: match[3].partition(".")[0] for match in found},
            gpus=_count_gpus(" ".join(text for name, _, text in lines if name == "job")),
        )

    def _build_script(self, job: Job, token: str) -> str:
        """Slurm may have forgotten the job or a node: then their lines are missing."""
        scontrol = f"command scontrol{self._cluster} -o"
        nodes = quote_word(",".join(job.node_list))
        return f"""printf '%s %s\\n' {token}srun "$(command -v srun)" {token}conf "${{SLURM_CONF-}}"
printf '%s %s\\n' {token}user "$(id -un)"
command srun --help 2>/dev/null | grep -q -e --overlap && echo {token}overlap
{scontrol} show node {nodes} 2>/dev/null | sed 's/^/{token}node /'
{scontrol} -d show job {quote_word(job.job_id)} 2>/dev/null | sed 's/^/{token}job /'
:"""


def _count_gpus(job: str) -> dict[str, int]:
    """Returns the number of GPUs of the job on each node; empty if a step gets them without naming a number."""
    if not _UNEVEN.search(job):
        return {}
    return {
        node: sum(map(int, _GPUS.findall(gres)))
        for nodes, gres in _SHARE.findall(job)
        for node in expand_hostlist(nodes)
    }
