"""What the system's git says of a work tree. It writes nothing, and runs no program that the repository names."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

_DEADLINE_S = 60.0
_QUIET = (
    *("--no-pager", "--no-optional-locks", "--literal-pathspecs"),
    *("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.untrackedCache=keep"),
    # The rules of whoever sends don't count: the same tree is the same upload.
    *("-c", "core.excludesFile=/dev/null"),
)
_UNTRACKED = ("ls-files", "-z", "--others", "--exclude-standard")
_LINKS = ("ls-files", "-z", "--stage")
_FILTERS = ("config", "-z", "--name-only", "--get-regexp", r"^filter\..*\.(clean|process|required)$")
_DIFFERING = (
    "diff-index",
    "-z",
    "--name-only",
    "--no-renames",
    "--relative",
    "--ignore-submodules=all",
    "--no-ext-diff",
)
_KEPT = ("ls-files", "-z", "--cached", "--ignored", "--exclude-standard")


class GitSilent(Exception):
    """There is no git, or it would not answer; the text says why."""


class GitView(NamedTuple):
    """Paths are relative to the folder asked about; a nested repository is a path that may end in a slash.

    `changed` differ from `commit` or are in no commit; `since` is the same for the commit that was asked about, or
    None when git doesn't know that one. `kept` are tracked although the rules leave them out.
    """

    commit: str | None
    changed: frozenset[str]
    kept: frozenset[str]
    since: frozenset[str] | None


async def look(folder: Path, since: str | None) -> GitView:
    """Raises GitSilent."""
    head = await _git(folder, "rev-parse", "--verify", "--quiet", "HEAD^{commit}", codes=(0, 1))
    commit = head.decode("ascii", "replace").strip() or None
    kept = _paths(await _git(folder, *_KEPT))
    # Repositories within are walked each time: asking them would be up to their own settings.
    always = _paths(await _git(folder, *_UNTRACKED)) | _links(await _git(folder, *_LINKS))
    if commit is None:
        return GitView(None, always, kept, None)
    changed = always | await _differing(folder, commit)
    if since is None or since == commit:
        return GitView(commit, changed, kept, changed if since else None)
    try:
        return GitView(commit, changed, kept, always | await _differing(folder, since))
    except GitSilent:
        return GitView(commit, changed, kept, None)


async def _differing(folder: Path, commit: str) -> frozenset[str]:
    if not re.fullmatch("[0-9a-f]{40,64}", commit):
        raise GitSilent("no commit")
    # A file younger than the index is read, and goes through the filters of the repository unless they are blank.
    filters = await _git(folder, *_FILTERS, codes=(0, 1))
    blank = {name: "false" if name.endswith(".required") else "" for name in sorted(_paths(filters))}
    return _paths(await _git(folder, *_DIFFERING, commit, "--", settings=blank))


def _links(staged: bytes) -> frozenset[str]:
    """The submodules among `mode hash stage<tab>path`."""
    lines = (line for line in staged.split(b"\0") if line.startswith(b"160000 "))
    return frozenset(os.fsdecode(line.partition(b"\t")[2]) for line in lines)


def _paths(output: bytes) -> frozenset[str]:
    return frozenset(os.fsdecode(path) for path in output.split(b"\0") if path)


async def _git(
    folder: Path, *arguments: str, codes: tuple[int, ...] = (0,), settings: Mapping[str, str] = MappingProxyType({})
) -> bytes:
    try:
        process = await asyncio.create_subprocess_exec(
            "git",
            *_QUIET,
            *arguments,
            cwd=folder,
            env=_environment(settings),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise GitSilent(f"git can't be started: {error.strerror}") from error
    try:
        async with asyncio.timeout(_DEADLINE_S):
            output, complaint = await process.communicate()
    except TimeoutError:
        raise GitSilent(f"git did not answer within {_DEADLINE_S:g} s") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode not in codes:
        first = complaint.decode(errors="replace").strip().partition("\n")[0]
        raise GitSilent(f"git says {first[:200]!r}")
    return output


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Ours without what would point git elsewhere."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    env |= {"GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C", "GIT_CONFIG_COUNT": str(len(settings))}
    for number, (name, value) in enumerate(settings.items()):
        env |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return env
