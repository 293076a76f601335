"""From the keys of objects to paths below a folder, and the keys that have none. Standard library only."""

from __future__ import annotations

from flow_core.agent.s3.report import Unfit

_MOST_NAME_BYTES = 255


def path_of(below: str) -> str:
    """The path of what a key has below its prefix; a folder's ends with "/". Raises Unfit."""
    parts = (below[:-1] if below.endswith("/") else below).split("/")
    if "\0" in below or not all(parts) or {".", ".."} & set(parts):
        raise Unfit(f"the object {below!r} has a name that no file below a folder can have")
    if any(len(part.encode(errors="replace")) > _MOST_NAME_BYTES for part in parts):
        raise Unfit(f"the object {below[:80]!r}... has a name that is too long for a file")
    return below


class Clashes:
    """Watches keys in the order of the alphabet for one that wants to be a file where another needs a folder."""

    def __init__(self) -> None:
        self._begun: list[str] = []  # each begins with the one before it, as whatever lies between a and a/b does

    def check(self, path: str) -> None:
        """Raises Unfit."""
        while self._begun and not path.startswith(self._begun[-1]):
            self._begun.pop()
        for file in self._begun:
            if path.startswith(file + "/"):
                raise Unfit(f"the objects {file!r} and {path!r} can't both be files in one folder")
        if not path.endswith("/"):
            self._begun.append(path)
