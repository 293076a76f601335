"""What a machine answered: lines that begin with a letter, ended by a line with a point."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from flow_core.errors import ConfigError, Conflict, FlowError, NotFound, ProviderError, Unreachable, printable
from flow_core.ssh.full_disk import is_full


@dataclass(frozen=True, slots=True)
class Answer:
    """Lines by their letter, in order. `refusal` is why there are none, `said` what came on the error stream."""

    lines: dict[str, list[str]] = field(default_factory=dict)
    refusal: tuple[str, ...] = ()
    said: str = ""

    @property
    def root(self) -> str:
        """Where everything is kept over there."""
        return (self.lines.get("H") or [""])[0]

    def require(self, letter: str, machine: str) -> str:
        """The first line of this letter, which every such answer has. Raises ProviderError."""
        found = self.of(letter)
        if not found or not found[0]:
            raise ProviderError(f"the answer of {machine!r} is incomplete: it lacks the line {letter}")
        return found[0]

    def of(self, letter: str) -> list[str]:
        return self.lines.get(letter, [])


def read_answer(data: bytes, machine: str, said: bytes = b"") -> Answer:
    """Raises ProviderError for what is no answer; `said` is what came on the error stream."""
    text, words = data.decode("utf-8", "surrogateescape"), said.decode("utf-8", "replace").strip()
    if text != ".\n" and not text.endswith("\n.\n"):
        why = words or text.strip()
        raise ProviderError(f"{machine!r} did not answer as it should: {printable(repr(why[-300:]))}")
    lines: dict[str, list[str]] = {}
    for letter, rest in _split(text):
        lines.setdefault(letter, []).append(rest)
    refused = lines.get("E")
    if refused and not refused[0].split():
        raise ProviderError(f"{machine!r} refused without a reason; its program may have been changed")
    return Answer(lines, tuple(refused[0].split()) if refused else (), words)


def refused(machine: str, words: tuple[str, ...], said: str = "") -> FlowError:
    """What a machine refused, as a sentence; `said` is what came on the error stream."""
    kind, subject, rest = words[0], printable(words[1]) if len(words) > 1 else "?", " ".join(words[1:])
    shown = printable(repr(rest))
    if kind == "dir":
        return ConfigError(f"working_dir: {shown} is no folder of {machine!r} that can be entered", field="working_dir")
    if kind == "path":
        return ConfigError(f"data_mounts: {shown} does not exist on {machine!r}", field="data_mounts")
    if kind == "volume":
        return NotFound(f"no volume {shown} on {machine!r} any more")
    if kind == "held":
        tasks = printable(", ".join(words[2:]))
        return Conflict(f"volume {subject} is in use by {tasks or 'a task'}; wait for it, or end that first")
    if kind == "taken":
        return Conflict(f"a volume called {shown} exists already on {machine!r}")
    if kind == "over":
        return Conflict("the task has ended; a volume can only be given to an unfinished one")
    if kind == "task":
        return NotFound(f"{machine!r} has no such task any more")
    if kind == "records" and is_full(said):
        return ProviderError(f"there is no room on the disk of {machine!r} for records in {shown}; make room there")
    if kind == "records":
        return ProviderError(f"{machine!r} can't keep records in {shown}; check its disk and who may write there")
    if kind == "version":
        return ProviderError(f"{machine!r} keeps the records of another version of flow; update this one")
    if kind == "busy":
        return Unreachable(f"{machine!r} has been busy with other changes for too long; try again")
    if kind == "keeper":
        return ProviderError(f"{machine!r} could not start what keeps a task; check how many processes it allows")
    return ProviderError(f"{machine!r} refused: {printable(' '.join(words))}")


def _split(text: str) -> Iterator[tuple[str, str]]:
    for line in text.split("\n"):
        letter, _, rest = line.partition(" ")
        if len(letter) == 1 and letter.isupper():
            yield letter, rest
