"""Reads the status of a work tree from git. Writes nothing and runs no program that the repository names."""

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
_GUARDS = (
    *("--no-pager", "--no-optional-locks", "--literal-pathspecs"),
    *("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.untrackedCache=keep"),
    # Ignore the user's own excludes: the same tree must give the same upload for every user.
    *("-c", "core.excludesFile=/dev/null"),
)
_UNTRACKED = ("ls-files", "-z", "--others", "--exclude-standard")
_STAGED = ("ls-files", "-z", "--stage")
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
_TRACKED_IGNORED = ("ls-files", "-z", "--cached", "--ignored", "--exclude-standard")


class GitUnavailable(Exception):
    """git is missing or failed. The text is the reason."""


class GitStatus(NamedTuple):
    """The status of a folder. Paths are relative to it; the path of a nested repository may end in a slash.

    `changed` differ from `commit` or are untracked. `changed_since` is the same for the older commit of the request, or
    None if git doesn't know that commit. `tracked_ignored` are tracked although an ignore rule matches them.
    """

    commit: str | None
    changed: frozenset[str]
    tracked_ignored: frozenset[str]
    changed_since: frozenset[str] | None


async def read_git_status(folder: Path, since: str | None) -> GitStatus:
    """Reads the status of a folder, also since an older commit. Raises GitUnavailable."""
    head = await _git(folder, "rev-parse", "--verify", "--quiet", "HEAD^{commit}", codes=(0, 1))
    commit = head.decode("ascii", "replace").strip() or None
    tracked_ignored = _paths(await _git(folder, *_TRACKED_IGNORED))
    # Walk nested repositories every time: running git in them would apply their own settings.
    always = _paths(await _git(folder, *_UNTRACKED)) | _submodules(await _git(folder, *_STAGED))
    if commit is None:
        return GitStatus(None, always, tracked_ignored, None)
    changed = always | await _differing(folder, commit)
    if since is None or since == commit:
        return GitStatus(commit, changed, tracked_ignored, changed if since else None)
    try:
        return GitStatus(commit, changed, tracked_ignored, always | await _differing(folder, since))
    except GitUnavailable:
        return GitStatus(commit, changed, tracked_ignored, None)


async def _differing(folder: Path, commit: str) -> frozenset[str]:
    if not re.fullmatch("[0-9a-f]{40,64}", commit):
        raise GitUnavailable(f"{commit[:70]!r} is not a commit")
    # git runs the repository's filter programs on files newer than the index, unless the settings blank them.
    filters = await _git(folder, *_FILTERS, codes=(0, 1))
    blank = {name: "false" if name.endswith(".required") else "" for name in sorted(_paths(filters))}
    return _paths(await _git(folder, *_DIFFERING, commit, "--", settings=blank))


def _submodules(staged: bytes) -> frozenset[str]:
    """Returns the paths of the submodules in lines of `mode hash stage<tab>path`."""
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
            *_GUARDS,
            *arguments,
            cwd=folder,
            env=_environment(settings),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise GitUnavailable(f"git can't be started: {error.strerror}") from error
    try:
        async with asyncio.timeout(_DEADLINE_S):
            output, stderr = await process.communicate()
    except TimeoutError:
        raise GitUnavailable(f"git did not answer within {_DEADLINE_S:g} s") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode not in codes:
        first = stderr.decode(errors="replace").strip().partition("\n")[0]
        raise GitUnavailable(f"git says {first[:200]!r}")
    return output


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Returns this process's environment without the variables that point git to another repository."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    env |= {"GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C", "GIT_CONFIG_COUNT": str(len(settings))}
    for number, (name, value) in enumerate(settings.items()):
        env |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return env
