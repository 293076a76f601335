"""The scripts that find the shared paths of a cluster and ask for their size and quota, and their answers."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from flow_core.providers.slurm.cluster_path import quote_path
from flow_core.providers.slurm.queue.values import parse_number
from flow_core.ssh.quoting import build_sh_command, quote_word

DEFAULT_PATHS = ("$HOME", "$SCRATCH", "$WORK", "$PROJECT")
_LIMIT_S, _TOTAL_S = 5, 8
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))(/.*)?")
_SIZE = re.compile(r"(?P<device>.*\S)\s+(?P<total>\d+)\s+(?P<used>\d+)\s+(?:\d+|-)\s+(?:\d+%|-)\s+(?P<mounted>/.*)")
_NUMBER = re.compile(r"\[?(\d{1,18})\]?\*?")
_LINE_BREAK = "\x1e"
_LUSTRE = ("lustre-project", "lustre-user", "lustre-group")
"""The most specific one counts that has a limit."""


@dataclass(frozen=True, slots=True)
class SharedPath:
    """A path of the cluster: as it was written, and where it is."""

    written: str
    path: str

    @property
    def name(self) -> str:
        """A short name: "scratch" for $SCRATCH, and the path itself for a path."""
        variable = _VARIABLE.fullmatch(self.written)
        if self.written == "~" or (variable is not None and variable[3] is None):
            return "home" if variable is None else (variable[1] or variable[2]).lower()
        return self.written


@dataclass(frozen=True, slots=True)
class PathUse:
    """The size and the use of a path in KiB: those of this user's quota, else those of its file system.

    `quota` names the program that printed the quota; "" for none. `problem` says why nothing is known: `hangs` is
    whether the file system does not answer, otherwise it is what df printed.
    """

    total_kb: int = 0
    used_kb: int | None = None
    quota: str = ""
    device: str = ""
    mounted_on: str = ""
    hangs: bool = False
    problem: str = ""


class PathLookup:
    """The script that expands the paths where the start-up files of the login shell set their variables."""

    def __init__(self, written: Sequence[str]) -> None:
        self._written = written
        self._token = secrets.token_hex(8)

    @property
    def script(self) -> str:
        """The script for sh, in the environment in which it runs."""
        lines = [f"""printf '%s PATH %s\\n' {self._token} "$PATH" """]
        for number, written in enumerate(self._written):
            print_path = f"printf '%s {number} %s\\n' {self._token}"
            variable = _VARIABLE.fullmatch(written)
            if variable is not None:
                name, rest = variable[1] or variable[2], variable[3] or ""
                lines.append(f'[ -z "${{{name}-}}" ] || {print_path} "${name}"{quote_word(rest)}')
            else:
                lines.append(f"{print_path} {quote_path(written)}")
        return "\n".join([*lines, "exit 0", ""])

    @property
    def login_script(self) -> str:
        """The same in a login shell."""
        command = quote_word(build_sh_command(self.script))
        return f'"${{SHELL:-/bin/sh}}" -lc {command} </dev/null 2>/dev/null || exec /bin/sh -lc {command} </dev/null'

    def parse(self, output: bytes) -> tuple[str, tuple[SharedPath, ...]] | None:
        """Returns the PATH of the shell, and each path once. None if the script did not run."""
        search, found = "", dict[str, SharedPath]()
        for line in output.decode("utf-8", "surrogateescape").split("\n"):
            token, _, rest = line.partition(" ")
            key, _, value = rest.partition(" ")
            if token != self._token:
                continue
            if key == "PATH":
                search = value
            elif key.isdecimal() and value.startswith("/"):
                path = value.rstrip("/") or "/"
                found.setdefault(path, SharedPath(self._written[int(key)], path))
        return (search, tuple(found.values())) if search else None


class UseQuery:
    """The script that asks for the use of paths, each with its own deadline."""

    timeout_s = 12.0

    def __init__(self, paths: Sequence[str], search: str) -> None:
        """`search` is the PATH with the programs that print quotas."""
        self._paths = paths
        self._search = search
        self._token = secrets.token_hex(8)

    @property
    def script(self) -> str:
        """The script for sh. It ends after 8 s, also if no file system answers."""
        steps = (files(__package__) / "shared_paths.sh").read_text("utf-8")
        head = f"PATH={quote_word(self._search)} token={self._token} limit_s={_LIMIT_S} total_s={_TOTAL_S}; export PATH"
        return f"{head}\n{steps}\nask_all {' '.join(map(quote_word, self._paths))}\n"

    def parse(self, output: bytes) -> dict[str, PathUse]:
        """Returns the use of each path; a path without an answer hangs."""
        answers: dict[int, dict[str, str]] = {number: {} for number in range(len(self._paths))}
        quotas: dict[str, tuple[int, int]] = {}
        for line in output.decode("utf-8", "replace").split("\n"):
            token, kind, number, text = [*line.split(" ", 3), "", "", ""][:4]
            if token != self._token or not number.isdecimal():
                continue
            if kind == "quota":
                quotas = parse_quota(text.split(_LINE_BREAK))
            elif int(number) in answers:
                answers[int(number)][kind] = text.replace(_LINE_BREAK, "\n")
        return {path: build_use(answers[number], quotas) for number, path in enumerate(self._paths)}


def build_use(answers: Mapping[str, str], quotas: Mapping[str, tuple[int, int]]) -> PathUse:
    """Returns the use of a path from the answers by kind, and from the quotas of `quota` by device."""
    if "error" in answers:
        return PathUse(problem=answers["error"].strip().rpartition(": ")[2] or "df fails")
    size = _SIZE.fullmatch(answers.get("size", "").strip())
    if size is None:
        return PathUse(hangs="size" not in answers, problem="" if "size" not in answers else "df prints no size")
    device, mounted = size["device"], size["mounted"]
    quota = _choose_quota(answers, quotas.get(device))
    if quota is not None:
        program, used_kb, limit_kb = quota
        return PathUse(limit_kb, used_kb, program, device, mounted)
    return PathUse(parse_number(size["total"]) or 0, parse_number(size["used"]), "", device, mounted)


def parse_quota(lines: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Parses what `quota -w` prints: the used space and the limit in KiB, by device. Leaves out those without limit."""
    found: dict[str, tuple[int, int]] = {}
    for line in lines:
        device, *rest = line.split() or [""]
        if (numbers := _read_numbers(rest)) is not None:
            found[device] = numbers
    return {device: numbers for device, numbers in found.items() if numbers[1]}


def _choose_quota(answers: Mapping[str, str], quota: tuple[int, int] | None) -> tuple[str, int, int] | None:
    """Returns (program, used KiB, limit KiB) of the quota that applies; None without one."""
    for kind in _LUSTRE:
        numbers = _read_numbers(answers.get(kind, "").split()[1:])
        if numbers is not None and numbers[1]:
            return "lfs quota", *numbers
    if (numbers := _parse_beegfs(answers.get("beegfs", ""))) is not None:
        return "beegfs-ctl", *numbers
    return None if quota is None else ("quota", *quota)


def _read_numbers(words: Sequence[str]) -> tuple[int, int] | None:
    """Returns the used space and the hard limit, or the soft one, of the first three numbers in a row."""
    numbers = [_NUMBER.fullmatch(word) for word in words]
    for first in range(len(words) - 2):
        used, soft, hard = numbers[first : first + 3]
        if used is not None and soft is not None and hard is not None:
            return int(used[1]), int(hard[1]) or int(soft[1])
    return None


def _parse_beegfs(text: str) -> tuple[int, int] | None:
    """Parses the CSV of beegfs-ctl: name, id, bytes, limit, files, limit."""
    for line in reversed(text.splitlines()):
        fields = line.split(",")
        if len(fields) >= 4 and (used := parse_number(fields[2])) is not None:
            limit = parse_number(fields[3])
            return None if not limit else (used >> 10, limit >> 10)
    return None
