"""A real OpenSSH server on loopback, with keys, users' files and a client's config of its own."""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from testbed.waiting import DEADLINE_S, wait_until


def find_sshd() -> str | None:
    return shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin")


def make_key(path: Path, *, kind: str = "ed25519", passphrase: str = "") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", path.name, "-f", path], check=True)
    return path


class Sshd:
    """Serves the user who runs the tests from `start` to `stop`. `home` is the HOME that its sessions see, `env` what
    else they find in their environment.

    `shell` (their login shell) and `home_kb` (an empty home of that size) need root and namespaces. `within` is put
    before its command line: it may lead to other users, each of whom may log in, in a home of their own.
    """

    def __init__(
        self,
        folder: Path,
        *options: str,
        env: Mapping[str, str] | None = None,
        sftp: bool = True,
        shell: str | None = None,
        home_kb: int | None = None,
        within: Sequence[str] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.options = list(options)
        self._has_sftp = sftp
        self._shell = shell
        self._home_kb = home_kb
        self.home = folder / "home"
        self.home.mkdir(exist_ok=True)
        self._within = within
        self._env = {**({} if within else {"HOME": str(self.home)}), **(env or {})}
        self.key = make_key(folder / "id_user")
        self.host_key = make_key(folder / "host_key")
        self.authorized_keys = folder / "authorized_keys"
        self.port = _free_port()
        self.log = folder / "sshd.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._is_paused = False
        self._trust()

    def renew(self) -> None:
        """Makes it fit for the next test: it runs, its home and its log are empty, and it takes `key` alone."""
        if self._is_paused:
            self.stop()
        if self._process is None:
            self.start()
        for path in self.home.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        self.log.write_text("")
        self._trust()

    def _trust(self) -> None:
        self.known_hosts = self.folder / "known_hosts"
        self.authorized_keys.write_text(self.key.with_suffix(".pub").read_text())
        self.know()

    def know(self) -> None:
        """The client has seen the host's present key before."""
        kind, data, *_ = self.host_key.with_suffix(".pub").read_text().split()
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {kind} {data}\n")

    def change_host_key(self) -> None:
        for path in (self.host_key, self.host_key.with_suffix(".pub")):
            path.unlink()
        make_key(self.host_key)

    def config(self, *more: str, name: str = "far", user: str | None = None) -> Path:
        """An ssh config that knows this server under a name, and nothing of whoever runs the tests."""
        lines = (
            f"Host {name}",
            "HostName 127.0.0.1",
            f"Port {self.port}",
            f"User {user or pwd.getpwuid(os.getuid()).pw_name}",
            *more,
            f"IdentityFile {self.key}",
            "IdentityAgent none",
            f"UserKnownHostsFile {self.known_hosts}",
            "GlobalKnownHostsFile /dev/null",
        )
        path = self.folder / f"config-{name}"
        path.write_text("\n".join(lines) + "\n")
        return path

    def start(self) -> None:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, parents=True, exist_ok=True)  # sshd insists on it, as root
        sshd = find_sshd()
        assert sshd is not None
        config = self.folder / "sshd_config"
        config.write_text("\n".join((*self.options, *self._defaults())) + "\n")
        with self.log.open("ab") as log:
            logged = log.tell()
            argv = [*self._namespace(), sshd, "-D", "-e", "-f", config]
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=log)
        wait_until(lambda: self._listens(logged), explain=self.log.read_text)

    def stop(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Ends the server and every session of it."""
        if self._process is None:
            return
        self._signal(signal.SIGCONT, number)
        self._process.wait(DEADLINE_S)
        self._process = None
        self._is_paused = False

    def drop_sessions(self) -> None:
        """Kills who serves the present connections; the server goes on."""
        for pid in self._family()[1:]:
            _kill(pid, signal.SIGKILL)

    def pause(self) -> None:
        """Nothing answers any more, and nothing is closed either."""
        self._signal(signal.SIGSTOP)
        self._is_paused = True

    def _signal(self, *numbers: signal.Signals) -> None:
        family = self._family()
        if self._within and self._process is not None:
            _kill(self._process.pid, signal.SIGCONT)  # it stops and ends with the server
        for number in numbers:
            for pid in family:
                _kill(pid, number)

    def _family(self) -> list[int]:
        """The server and all below it, the server first."""
        if self._process is None:
            return []
        family = list_children(self._process.pid) if self._within else [self._process.pid]
        for member in family:
            family += list_children(member)
        return family

    def _defaults(self) -> tuple[str, ...]:
        return (
            "ListenAddress 127.0.0.1",
            f"Port {self.port}",
            f"HostKey {self.host_key}",
            "PidFile none",
            f"AuthorizedKeysFile {self.authorized_keys}",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin yes",
            "UsePAM no",
            "StrictModes no",  # the folder lies below a world-writable one
            "UseDNS no",
            "PrintMotd no",
            "AcceptEnv LANG LC_*",  # as most systems have it
            "MaxStartups 100",
            *([] if self._sets("KexAlgorithms") else ["KexAlgorithms -sntrup*,mlkem*"]),  # they cost ssh 0.07 s a login
            "LogLevel VERBOSE",
            *(["Subsystem sftp internal-sftp"] if self._has_sftp and not self._sets("Subsystem") else []),
            f"SetEnv {' '.join(f'{name}={value}' for name, value in self._env.items())}",
        )

    def _namespace(self) -> list[str]:
        """What to start it under, for its own view of the users and of the home."""
        if self._within:
            return [*self._within]
        mounts = []
        if self._shell is not None:
            users = self.folder / "passwd"
            rows = Path("/etc/passwd").read_text().splitlines()
            users.write_text("".join(f"{row.rpartition(':')[0]}:{self._shell}\n" for row in rows))
            mounts.append(shlex.join(["mount", "--bind", str(users), "/etc/passwd"]))
        if self._home_kb is not None:
            size = f"size={self._home_kb}k,mode=700"
            mounts.append(shlex.join(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(self.home)]))
        return ["unshare", "-m", "sh", "-c", " && ".join([*mounts, 'exec "$@"']), "sh"] if mounts else []

    def _sets(self, option: str) -> bool:
        return any(line.startswith(f"{option} ") for line in self.options)

    def _listens(self, logged: int) -> bool:
        """Whether it says so in its log beyond that byte; a connection to find out would cost it a process."""
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        return b"Server listening on" in self.log.read_bytes()[logged:]


def list_children(pid: int) -> list[int]:
    if sys.platform == "linux":
        try:
            files = list(Path(f"/proc/{pid}/task").glob("*/children"))
        except OSError:  # the process has just ended
            return []
        return [int(child) for file in files for child in _read(file).split()]
    rows = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    return [int(child) for child, parent in (row.split() for row in rows.splitlines()) if int(parent) == pid]


def _read(file: Path) -> str:
    with suppress(OSError):  # of a process that has ended
        return file.read_text()
    return ""


def _kill(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
