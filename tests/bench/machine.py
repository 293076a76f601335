"""What a run was measured on: the machine, and the versions of everything that was measured."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import flow_core

_MEASURED = ("textual", "rich", "httpx", "pydantic", "asyncssh", "pyghostty")


def describe_machine() -> str:
    """Such as "2 x AMD EPYC, 24 GB, Linux x86_64"."""
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{os.cpu_count()} x {_processor()}, {memory_gb:.0f} GB, {platform.system()} {platform.machine()}"


def describe_versions(peers: dict[str, str]) -> str:
    """Ours, those of the packages below us, and those of the peers (name to version)."""
    ours = {"flow-tui": flow_core.__version__, platform.python_implementation(): platform.python_version()}
    found = ours | {name: text for name in _MEASURED if (text := _version(name))} | peers
    return ", ".join(f"{name} {text}" for name, text in found.items())


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or "processor"
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return " ".join(found[1].split()) if found else "processor"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
