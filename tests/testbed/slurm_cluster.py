"""A real Slurm cluster with pretend GPUs, from the system's packages; several can run side by side on a machine."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Mapping
from functools import cached_property
from itertools import count
from pathlib import Path

from testbed.slurm_accounting import ACCOUNT, add_accounts, give_account, manage, start_accounting
from testbed.slurm_config import Plan, answers, find_ports, get_version, write_config
from testbed.slurm_space import Space, User
from testbed.sshd import Sshd
from testbed.waiting import wait_until

GPU_PARTITION, DEBUG_PARTITION = "gpu", "debug"
"""The first has every node and is the default; the second has one node."""

_SPARE_USERS = 20
_UNFINISHED = "PENDING,RUNNING,SUSPENDED,CONFIGURING"


class SlurmCluster:
    """Nodes node1, node2, ... of this machine, from `start` to `stop`. Needs root.

    It ends without a trace also when the process that started it is killed. `options` are further lines of slurm.conf,
    or others than usual.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        nodes: int = 3,
        gpus: int = 4,
        gpu_type: str = "a100",
        accounting: bool = False,
        rest: bool = False,
        port: int | None = None,
        name: str = "flow",
        options: Mapping[str, str] | None = None,
    ) -> None:
        """`folder` is made by `start`; users of all kinds must be able to reach it."""
        folder = folder or Path(tempfile.gettempdir(), f"flow-slurm-{secrets.token_hex(4)}")
        first = find_ports() if port is None else port
        self.plan = Plan(folder, name, nodes, gpus, gpu_type, accounting, rest, first, options or {})
        self.folder = folder
        self.space = Space(folder)
        self._numbers = count(1)
        self._spare_users: dict[str, list[User]] = {}
        self._changed_nodes: set[str] = set()
        self._first_job_id = 1
        self._is_down = self._is_paused = False

    @property
    def env(self) -> dict[str, str]:
        """What a process on this machine needs to reach the cluster."""
        return {"SLURM_CONF": str(self.plan.conf)}

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self.plan.rest_port}"

    def start(self) -> None:
        plan = self.plan
        _make_folders(plan)
        self.space.start()
        _make_keys(plan)
        write_config(plan)
        self._start_munge()
        if plan.has_accounting:
            start_accounting(plan, self.space)
        self.start_controller()
        for node in plan.node_names:
            self.space.launch("slurmd", "-N", node, "-f", str(plan.conf), log=plan.log(node), env=self.env)
        if plan.has_accounting:
            add_accounts(plan, self.space)
        if plan.has_rest:
            self._start_rest()
        wait_until(self._nodes_work, explain=lambda: self.run("sinfo", "-N", "-l"))

    def stop(self) -> None:
        """Ends every task and daemon, and removes the folder."""
        if "login" in self.__dict__:
            self.login.stop()
        self.space.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @cached_property
    def login(self) -> Sshd:
        """The SSH server of the login node, where every user of the cluster can log in with its key."""
        sshd = Sshd(self.folder / "login", "MaxSessions 10", env=self.env, within=self.space.enter())
        sshd.start()
        return sshd

    def add_user(self, name: str = "", *, account: str | None = ACCOUNT, level: str = "None") -> User:
        """Adds a user whose queue and home are empty. Without accounting, the account and the level have no effect."""
        if name or account != ACCOUNT or not self.plan.has_accounting:
            return self._add_users([name or self._make_name()], account, level)[0]
        spare = self._spare_users.setdefault(level, [])
        if not spare:  # slurmdbd needs 0.6 s, however many
            spare += self._add_users([self._make_name() for _ in range(_SPARE_USERS)], account, level)
        return spare.pop(0)

    def make_folder(self, user: User, name: str) -> Path:
        """Makes a folder in the user's home."""
        path = user.home / name
        path.mkdir()
        os.chown(path, user.uid, user.uid)
        return path

    def remove_user(self, user: User) -> None:
        """Ends everything that the user runs, on every node and on the login node."""
        self.run("scancel", f"--user={user.name}", check=False)
        self.space.kill_processes(user)
        wait_until(lambda: not self.list_jobs(user), explain=lambda: self.run("squeue", "-l"))

    def list_jobs(self, user: User) -> list[str]:
        """Returns the ids of the user's jobs that have not ended; the node of one that has may need a second more."""
        argv = ("squeue", "--noheader", f"--user={user.name}", f"--states={_UNFINISHED}", "--format=%A")
        return sorted(set(self.run(*argv).split()), key=int)

    def run(self, *argv: str, user: User | None = None, stdin: str = "", check: bool = True) -> str:
        """Runs a command on the login node as that user or as root; returns what it printed."""
        return self.space.run(*argv, user=user, env=self.env, stdin=stdin, check=check)

    def manage(self, *words: str) -> str:
        """Runs a command of sacctmgr as its administrator."""
        return manage(self.plan, self.space, *words)

    def token(self, user: User, lifespan_s: int = 600) -> str:
        """Returns a JSON web token with which slurmrestd takes a request for one of this user."""
        said = self.run("scontrol", "token", f"username={user.name}", f"lifespan={lifespan_s}")
        return said.partition("=")[2]

    def expire(self, job: str) -> None:
        """A running job has used up its time limit. slurmctld looks every 30 s."""
        self.run("scontrol", "update", f"JobId={job}", "EndTime=now")

    def renew(self) -> None:
        """Undoes what a test did to the nodes, the controller and the reservations."""
        if self._is_paused:
            self.resume_controller()
        if self._is_down:
            self.start_controller()
        for name in self.list_reservations():
            self.delete_reservation(name)
        for node in list(self._changed_nodes):
            self.resume(node)
        # Also nodes that did not answer in time on a busy machine.
        wait_until(self._nodes_work, explain=lambda: self.run("sinfo", "-N", "-l"))

    def drain(self, node: str, reason: str) -> None:
        """The node starts no more jobs."""
        self._set_state(node, "drain", reason)

    def fail(self, node: str, reason: str) -> None:
        """The node is down: its jobs end or are queued again."""
        self._set_state(node, "down", reason)

    def resume(self, node: str) -> None:
        self.run("scontrol", "update", f"NodeName={node}", "State=RESUME", check=False)
        self._changed_nodes.discard(node)

    def add_reservation(self, name: str, user: User, nodes: str = "node3", minutes: int = 60, **more: str) -> None:
        """From now on, unless `more` names another StartTime."""
        fields = {"StartTime": "now", "Duration": str(minutes), "Users": user.name, "Nodes": nodes, **more}
        words = [f"{key}={value}" for key, value in fields.items()]
        self.run("scontrol", "create", "reservation", f"ReservationName={name}", *words)

    def list_reservations(self) -> list[str]:
        rows = self.run("scontrol", "--oneliner", "show", "reservation").splitlines()
        return [row.split()[0].partition("=")[2] for row in rows if row.startswith("ReservationName=")]

    def delete_reservation(self, name: str) -> None:
        self.run("scontrol", "delete", f"ReservationName={name}", check=False)

    def start_controller(self) -> None:
        self.space.launch("slurmctld", "-f", str(self.plan.conf), log=self.plan.log("slurmctld-start"), user="slurm")
        wait_until(lambda: "is UP" in self.run("scontrol", "ping", check=False), explain=self._tell_controller_log)
        if self._is_down:
            self.run("scontrol", "reconfigure", check=False)  # otherwise the nodes register seconds or minutes later
        self._is_down = False

    def stop_controller(self) -> None:
        """Kills slurmctld. The nodes and their tasks go on."""
        self._skip_job_ids()
        self._signal_controller("KILL")
        wait_until(lambda: not answers(self.plan.port))
        self._is_down = True

    def pause_controller(self) -> None:
        """slurmctld answers nothing until `resume_controller`."""
        self._signal_controller("STOP")
        self._is_paused = True

    def resume_controller(self) -> None:
        self._signal_controller("CONT")
        self._is_paused = False

    def _make_name(self) -> str:
        return f"flowslurm{next(self._numbers)}"

    def _add_users(self, names: list[str], account: str | None, level: str) -> list[User]:
        users = self.space.add_users(*names)
        if self.plan.has_accounting and account is not None:
            give_account(self.plan, self.space, names, account, level)
            argv = ("scontrol", "show", "assoc_mgr", f"users={names[-1]}", "flags=users")
            wait_until(lambda: f"UserName={names[-1]}(" in self.run(*argv))
        return users

    def _signal_controller(self, name: str) -> None:
        pid = (self.folder / "run" / "slurmctld.pid").read_text().strip()
        self.space.run("kill", "-s", name, pid)

    def _set_state(self, node: str, state: str, reason: str) -> None:
        self._changed_nodes.add(node)
        self.run("scontrol", "update", f"NodeName={node}", f"State={state}", f"Reason={reason}")

    def _skip_job_ids(self) -> None:
        """Makes the controller count from higher ids: one that was killed forgets its last ones, but slurmd doesn't."""
        self._first_job_id += 10_000
        lines = self.plan.conf.read_text().splitlines()
        lines = [line for line in lines if not line.startswith("FirstJobId=")]
        self.plan.conf.write_text("\n".join([*lines, f"FirstJobId={self._first_job_id}", ""]))

    def _nodes_work(self) -> bool:
        rows = self.run(
            *("sinfo", "--noheader", "--Node", "--responding", "--states=idle,mixed,allocated,completing"),
            "--format=%N",
            check=False,
        )
        return len(set(rows.split())) == self.plan.nodes

    def _tell_controller_log(self) -> str:
        return self.plan.log("slurmctld").read_text()

    def _start_munge(self) -> None:
        folder = self.folder / "munge"
        places = [f"--{name}={folder / file}" for name, file in _MUNGE_FILES.items()]
        self.space.launch("munged", *places, log=self.plan.log("munged-start"), user="munge")
        wait_until(self.plan.munge_socket.exists, explain=(folder / "log").read_text)

    def _start_rest(self) -> None:
        """It refuses to run as root or as the user of slurmctld."""
        plan = self.plan
        (user,) = self.space.add_users("flowrest")
        env = {**self.env, "SLURM_JWT": "daemon"}  # else it does not load auth/jwt
        argv = ["slurmrestd", "-f", str(plan.conf), "-a", "rest_auth/jwt", *self._choose_plugins()]
        self.space.spawn(*argv, f"127.0.0.1:{plan.rest_port}", log=plan.log("slurmrestd"), user=user.name, env=env)
        wait_until(lambda: answers(plan.rest_port), explain=plan.log("slurmrestd").read_text)

    def _choose_plugins(self) -> list[str]:
        """Without slurmdbd, the plugins that ask it keep slurmrestd from starting."""
        if self.plan.has_accounting:
            return []
        if get_version() >= (23, 11):
            return ["-s", "openapi/slurmctld"]
        files = Path("/usr/lib").glob("*/slurm-wlm/openapi_v*.so")
        return ["-s", ",".join(sorted(file.stem.replace("_", "/", 1).replace("_", ".") for file in files))]


_MUNGE_FILES = {
    "socket": "socket",
    "key-file": "key",
    "pid-file": "pid",
    "log-file": "log",
    "seed-file": "seed",
}


def _make_folders(plan: Plan) -> None:
    plan.folder.mkdir()
    owners = {"etc": "root", "dev": "root", "spool": "root", "log": "slurm", "run": "slurm", "state": "slurm"}
    for name, owner in {**owners, "munge": "munge"}.items():
        path = plan.folder / name
        path.mkdir()
        shutil.chown(path, owner)
    for node in plan.node_names:
        (plan.folder / "spool" / node).mkdir()
    for number in range(plan.gpus):  # Slurm numbers the GPUs of a task only if they are devices
        path = plan.folder / "dev" / f"gpu{number}"
        os.mknod(path, stat.S_IFCHR | 0o666, os.stat("/dev/null").st_rdev)


def _make_keys(plan: Plan) -> None:
    for path, owner, size in ((plan.folder / "munge" / "key", "munge", 1024), (plan.jwt_key, "slurm", 32)):
        path.touch(mode=0o600)
        path.write_bytes(secrets.token_bytes(size))
        shutil.chown(path, owner)
