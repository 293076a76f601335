"""The accounting of a test's Slurm cluster: MariaDB, slurmdbd, and who may use which account and QOS."""

from __future__ import annotations

import shutil
from collections.abc import Iterable

from testbed.slurm_config import Plan, answers
from testbed.slurm_space import Space
from testbed.waiting import wait_until

ACCOUNT = "flow"
OTHER_ACCOUNT = "physics"
"""One that no user belongs to unless a test says so."""
SMALL_QOS = "small"
"""A QOS that a user of `ACCOUNT` may ask for, with 2 GPUs for all tasks of a user."""


def start_accounting(plan: Plan, space: Space) -> None:
    _start_database(plan, space)
    places = {"SLURM_CONF": str(plan.conf.with_name("slurmdbd.conf"))}
    database = {"MYSQL_UNIX_PORT": str(plan.folder / "mysql" / "socket")}  # where its client library looks
    space.launch("slurmdbd", log=plan.log("slurmdbd-start"), user="slurm", env={**places, **database})
    wait_until(lambda: answers(plan.dbd_port), explain=lambda: plan.log("slurmdbd").read_text())
    manage(plan, space, "add", "cluster", plan.name)


def add_accounts(plan: Plan, space: Space) -> None:
    """slurmctld must have begun: before that, slurmdbd knows of no GPUs that it could limit."""
    manage(plan, space, "add", "qos", SMALL_QOS, "MaxTRESPerUser=gres/gpu=2")
    manage(plan, space, "add", "account", f"{ACCOUNT},{OTHER_ACCOUNT}", f"QOS=normal,{SMALL_QOS}", "DefaultQOS=normal")


def manage(plan: Plan, space: Space, *words: str) -> str:
    """Runs a command of sacctmgr, as its administrator; again if slurmdbd is too busy to answer in time."""
    said = ""

    def is_done() -> bool:
        nonlocal said
        line = ("sh", "-c", '"$@" 2>&1 || echo "exit code $?"', "sh", "sacctmgr", "-iQ", *words)
        said = space.run(*line, env={"SLURM_CONF": str(plan.conf)})
        return "exit code" not in said or any(sentence in said for sentence in _DONE_BEFORE)

    wait_until(is_done, within_s=_BUSY_S, explain=lambda: f"{words}: {said}")
    return said


_BUSY_S = 60
_DONE_BEFORE = ("already exists", "Nothing new added")


def give_account(plan: Plan, space: Space, names: Iterable[str], account: str = ACCOUNT, level: str = "None") -> None:
    """`level` None, Operator or Admin: an operator may make reservations."""
    manage(plan, space, "add", "user", ",".join(names), f"Account={account}", f"AdminLevel={level}")


_SMALL = (
    "--innodb-buffer-pool-size=16M",
    "--innodb-log-file-size=8M",
    "--innodb-flush-log-at-trx-commit=0",
    "--aria-pagecache-buffer-size=8M",
    "--key-buffer-size=1M",
)


def _start_database(plan: Plan, space: Space) -> None:
    """It asks for no password: only the user slurm can reach its socket."""
    folder = plan.folder / "mysql"
    folder.mkdir(mode=0o700)
    (folder / "data").mkdir()
    shutil.chown(folder, "slurm", "slurm")
    space.run("mount", "-t", "tmpfs", "-o", "mode=700,uid=slurm,gid=slurm", "tmpfs", str(folder / "data"))
    base = ("--no-defaults", f"--datadir={folder}/data", *_SMALL)
    space.launch("mariadb-install-db", *base, "--skip-test-db", log=plan.log("mariadb-install"), user="slurm")
    socket = f"--socket={folder}/socket"
    argv = ("mariadbd", *base, socket, "--skip-networking", "--skip-grant-tables", "--innodb-lock-wait-timeout=900")
    space.spawn(*argv, log=plan.log("mariadbd"), user="slurm")
    wait_until((folder / "socket").exists, explain=lambda: plan.log("mariadbd").read_text())
