"""The options of sbatch: their names, how a line of them is read, and how a value is written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from flow_core.errors import printable

Arity = Literal["value", "optional", "none"]

_SHORT = {
    "A": "account", "a": "array", "b": "begin", "D": "chdir", "M": "clusters", "C": "constraint", "S": "core-spec",
    "c": "cpus-per-task", "d": "dependency", "m": "distribution", "e": "error", "x": "exclude", "B": "extra-node-info",
    "G": "gpus", "H": "hold", "h": "help", "i": "input", "J": "job-name", "k": "no-kill", "L": "licenses",
    "F": "nodefile", "w": "nodelist", "N": "nodes", "n": "ntasks", "O": "overcommit", "o": "output",
    "p": "partition", "q": "qos", "Q": "quiet", "s": "oversubscribe", "t": "time", "V": "version", "v": "verbose",
    "W": "wait",
}  # fmt: skip
_WITHOUT_VALUE = frozenset({
    "contiguous", "help", "hold", "ignore-pbs", "no-requeue", "overcommit", "oversubscribe", "parsable", "quiet",
    "reboot", "requeue", "spread-job", "stepmgr", "test-only", "usage", "use-min-nodes", "verbose", "version", "wait",
})  # fmt: skip
_WITH_OPTIONAL_VALUE = frozenset({
    "exclusive", "get-user-env", "nice", "no-kill", "propagate", "resv-ports",
})  # fmt: skip
_WITH_VALUE = frozenset({
    "account", "acctg-freq", "array", "batch", "bb", "bbf", "begin", "chdir", "cluster-constraint", "clusters",
    "comment", "constraint", "container", "container-id", "core-spec", "cores-per-socket", "cpu-freq", "cpus-per-gpu",
    "cpus-per-task", "deadline", "delay-boot", "dependency", "distribution", "error", "exclude", "export",
    "export-file", "extra", "extra-node-info", "gid", "gpu-bind", "gpu-freq", "gpus", "gpus-per-node",
    "gpus-per-socket", "gpus-per-task", "gres", "gres-flags", "hint", "input", "job-name", "kill-on-invalid-dep",
    "licenses", "mail-type", "mail-user", "mcs-label", "mem", "mem-bind", "mem-per-cpu", "mem-per-gpu", "mincpus",
    "network", "nodefile", "nodelist", "nodes", "ntasks", "ntasks-per-core", "ntasks-per-gpu", "ntasks-per-node",
    "ntasks-per-socket", "open-mode", "output", "partition", "power", "prefer", "priority", "profile", "qos",
    "reservation", "segment", "signal", "sockets-per-node", "switches", "thread-spec", "threads-per-core", "time",
    "time-min", "tmp", "tres-bind", "tres-per-task", "uid", "wait-all-nodes", "wckey", "wrap",
})  # fmt: skip
_ALIASES = {"share": "oversubscribe", "tasks-per-node": "ntasks-per-node", "workdir": "chdir", "cluster": "clusters"}
_NAMES = _WITH_VALUE | _WITH_OPTIONAL_VALUE | _WITHOUT_VALUE | _ALIASES.keys()
# sbatch reads other characters in a line of a script as quotes, escapes or the start of a comment.
_PLAIN = re.compile(r"[^\s'\"\\#]+")


@dataclass(frozen=True, slots=True)
class ParsedOptions:
    """Options in the order in which they were written, a later one overriding earlier ones, and the other words.

    An option without a value has the value "". `problems` are sentences about what sbatch would refuse.
    """

    options: tuple[tuple[str, str], ...] = ()
    words: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def get_arity(name: str) -> Arity | None:
    """Returns whether an option takes a value; None if sbatch has no such option."""
    if name in _WITHOUT_VALUE:
        return "none"
    if name in _WITH_OPTIONAL_VALUE:
        return "optional"
    return "value" if name in _WITH_VALUE else None


def parse_options(words: Sequence[str], *, stop_at_word: bool = False) -> ParsedOptions:
    """Parses words as sbatch does, with abbreviated names and bundled letters.

    With `stop_at_word`, everything from the first word that is no option goes to `words`, as on a command line.
    """
    reader = _OptionReader(list(words))
    while reader.left:
        word = reader.left.pop(0)
        if word == "--":
            reader.words += reader.left
            break
        if word.startswith("--"):
            reader.read_long(word[2:])
        elif word.startswith("-") and word != "-":
            reader.read_short(word[1:])
        elif stop_at_word:
            reader.words += [word, *reader.left]
            break
        else:
            reader.words.append(word)
    return ParsedOptions(tuple(reader.options), tuple(reader.words), tuple(reader.problems))


class _OptionReader:
    """The words that are left, and what was read."""

    def __init__(self, words: list[str]) -> None:
        self.left = words
        self.options: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.problems: list[str] = []

    def read_long(self, text: str) -> None:
        written, has_value, value = text.partition("=")
        name = _complete_name(written)
        if name is None:
            self.problems.append(f"--{printable(written)} is not an option of sbatch")
            return
        if get_arity(name) == "value" and not has_value:
            value = self._take_value(f"--{name}")
        self.options.append((name, value))

    def read_short(self, letters: str) -> None:
        while letters:
            letter, letters = letters[0], letters[1:]
            name = _SHORT.get(letter)
            if name is None:
                self.problems.append(f"-{printable(letter)} is not an option of sbatch")
                return
            arity = get_arity(name)
            if arity == "none":
                self.options.append((name, ""))
                continue
            value = letters or (self._take_value(f"-{letter}") if arity == "value" else "")
            self.options.append((name, value))
            return

    def _take_value(self, written: str) -> str:
        if not self.left:
            self.problems.append(f"{written} needs a value")
            return ""
        return self.left.pop(0)


def _complete_name(written: str) -> str | None:
    """Returns the option that a written name means: the name, or the only one that begins so; None if none does."""
    if written in _NAMES:
        return _ALIASES.get(written, written)
    found = {_ALIASES.get(name, name) for name in _NAMES if written and name.startswith(written)}
    return found.pop() if len(found) == 1 else None


def format_option(name: str, value: str) -> str:
    """Returns an option for a #SBATCH line."""
    return f"--{name}={_quote(value)}" if value else f"--{name}"


def list_variables(names: Iterable[str]) -> tuple[str, ...]:
    """Returns the variables of the login node that would replace these options of a script."""
    special = {
        "time": ("SBATCH_TIMELIMIT",),
        "mem": ("SBATCH_MEM_PER_NODE", "SLURM_MEM_PER_NODE"),
        "array": ("SBATCH_ARRAY_INX",),
        "requeue": ("SBATCH_REQUEUE", "SBATCH_NO_REQUEUE"),
        "no-requeue": ("SBATCH_REQUEUE", "SBATCH_NO_REQUEUE"),
    }
    found: list[str] = []
    for name in names:
        found += special.get(name, (f"SBATCH_{name.upper().replace('-', '_')}",))
    return tuple(dict.fromkeys(found))


def _quote(value: str) -> str:
    """Quotes a value for a #SBATCH line, which sbatch does not read with a shell."""
    if _PLAIN.fullmatch(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
