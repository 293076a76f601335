"""The view of the machine that a test's cluster has: processes, users and a host name of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from testbed.sshd import list_children
from testbed.waiting import DEADLINE_S

HOST_NAME = "login"
_GUARD = Path(__file__).with_name("slurm_guard.py")
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
_FIRST_UID = 47_000


@dataclass(frozen=True)
class User:
    """A user whom only the processes of one cluster know."""

    name: str
    uid: int
    home: Path


class Space:
    """Namespaces whose processes all end with `stop`, and also when the process that called `start` is killed.

    The files are those of the machine, apart from the list of users. Needs root.
    """

    def __init__(self, folder: Path) -> None:
        """`folder` is removed when the processes end."""
        self._folder = folder
        self._homes = folder / "home"
        self._uids = count(_FIRST_UID)
        self._guard: subprocess.Popen[bytes] | None = None
        self._first = 0

    def start(self) -> None:
        namespaces = ("--pid", "--mount", "--uts", "--fork", "--kill-child", "--mount-proc")
        argv = ["unshare", *namespaces, sys.executable, "-I", str(_GUARD), str(self._folder), HOST_NAME]
        self._guard = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._guard.stdout is not None
        assert self._guard.stdout.readline() == b"ready\n"
        (self._first,) = list_children(self._guard.pid)
        self._homes.mkdir()
        for name in ("passwd", "group", "shadow", "hosts"):
            shutil.copy(f"/etc/{name}", self._folder / name)
            self.run("mount", "--bind", str(self._folder / name), f"/etc/{name}")
        self._append("hosts", [f"127.0.0.1 {HOST_NAME}"])

    def stop(self) -> None:
        """Kills every process; returns once none is left."""
        if self._guard is None:
            return
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        self._guard.wait(DEADLINE_S)
        self._guard = None

    def add_users(self, *names: str) -> list[User]:
        """Adds users who can log in, with empty homes that nobody else can read."""
        users = [User(name, next(self._uids), self._homes / name) for name in names]
        for user in users:
            user.home.mkdir(mode=0o700)
            os.chown(user.home, user.uid, user.uid)
        self._append("group", (f"{user.name}:x:{user.uid}:" for user in users))
        self._append("shadow", (f"{user.name}:*:19000::::::" for user in users))  # with "!" sshd finds the user locked
        self._append("passwd", (f"{user.name}:x:{user.uid}:{user.uid}::{user.home}:/bin/bash" for user in users))
        return users

    def enter(self, user: str | None = None, folder: Path = Path("/")) -> list[str]:
        """Returns what to put before a command line that runs inside, as root or as that user."""
        nsenter = ["nsenter", f"--target={self._first}", "--pid", "--mount", "--uts", f"--wd={folder}", "--"]
        return nsenter if user is None else [*nsenter, "setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]

    def run(
        self,
        *argv: str,
        user: User | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        check: bool = True,
    ) -> str:
        """Runs a command in the user's home, and returns what it printed; a failure is one of the test."""
        done = subprocess.run(
            [*self._enter_as(user), *argv],
            input=stdin,
            env={**self._environment(user), **(env or {})},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=DEADLINE_S,
            check=False,
        )
        assert done.returncode == 0 or not check, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def launch(self, *argv: str, log: Path, user: str | None = None, env: Mapping[str, str] | None = None) -> None:
        """Starts a daemon and returns once its command has: those that stay in the foreground need `spawn`."""
        process = self.spawn(*argv, log=log, user=user, env=env)
        assert process.wait(DEADLINE_S) == 0, f"{argv}: {log.read_text()}"

    def spawn(
        self, *argv: str, log: Path, user: str | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return subprocess.Popen(
                [*self.enter(user), *argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"PATH": PATH, **(env or {})},
                start_new_session=True,
            )

    def kill_processes(self, user: User) -> None:
        """Kills whatever this user runs."""
        self.run("sh", "-c", "kill -KILL -1", user=user, check=False)

    def _enter_as(self, user: User | None) -> list[str]:
        return self.enter() if user is None else self.enter(user.name, user.home)

    def _environment(self, user: User | None) -> dict[str, str]:
        if user is None:
            return {"PATH": PATH, "HOME": "/root"}
        return {"PATH": PATH, "HOME": str(user.home), "USER": user.name, "LOGNAME": user.name, "SHELL": "/bin/bash"}

    def _append(self, name: str, rows: Iterable[str]) -> None:
        with (self._folder / name).open("a") as file:  # in place: the file is mounted
            file.writelines(f"{row}\n" for row in rows)
