"""What the system's git says of a work tree. Nothing is written and no hook, pager or file-system monitor is run."""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_DEADLINE_S = 60.0
_QUIET = (
    *("--no-pager", "--no-optional-locks", "--literal-pathspecs"),
    *("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.untrackedCache=keep"),
    # The rules of whoever sends don't count: the same tree is the same upload.
    *("-c", "core.excludesFile=/dev/null"),
)
_UNTRACKED = ("ls-files", "-z", "--others", "--exclude-standard")
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
    untracked, kept = _paths(await _git(folder, *_UNTRACKED)), _paths(await _git(folder, *_KEPT))
    if commit is None:
        return GitView(None, untracked, kept, None)
    changed = untracked | await _differing(folder, commit)
    if since is None or since == commit:
        return GitView(commit, changed, kept, changed if since else None)
    try:
        return GitView(commit, changed, kept, untracked | await _differing(folder, since))
    except GitSilent:
        return GitView(commit, changed, kept, None)


async def _differing(folder: Path, commit: str) -> frozenset[str]:
    """Plumbing on purpose: it compares times and sizes and so never runs a filter of the repository's for that."""
    if not re.fullmatch("[0-9a-f]{40,64}", commit):
        raise GitSilent("no commit")
    command = ("diff-index", "-z", "--name-only", "--no-renames", "--relative", "--ignore-submodules=none")
    return _paths(await _git(folder, *command, "--no-ext-diff", commit, "--"))


def _paths(output: bytes) -> frozenset[str]:
    return frozenset(os.fsdecode(path) for path in output.split(b"\0") if path)


async def _git(folder: Path, *arguments: str, codes: tuple[int, ...] = (0,)) -> bytes:
    try:
        process = await asyncio.create_subprocess_exec(
            "git",
            *_QUIET,
            *arguments,
            cwd=folder,
            env=_environment(),
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


def _environment() -> dict[str, str]:
    """Ours without what would point git elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C"}
