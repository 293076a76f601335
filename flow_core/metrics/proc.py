"""Parses a machine's own reports: load, memory, process owners, and GPU errors of the kernel. Pure functions."""

from __future__ import annotations

import re

from flow_core.metrics.nvidia_smi import normalize_bus_id

_LOAD = re.compile(r"\{? *([0-9]{1,9}[.,][0-9]{1,9})")
_MEMINFO = re.compile(r"(\w+): +([0-9]{1,15}) kB")
_PAGE_SIZE = re.compile(r"page size of ([0-9]{1,9}) bytes")
_PAGES = re.compile(r"Pages (free|inactive|speculative): +([0-9]{1,15})\.?")
_OWNER = re.compile(r"d\S+ +\S+ +(\S+) .* ([0-9]{1,12})")
_XID = re.compile(r"NVRM: Xid \((?:PCI:)?([0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2})(?:\.[0-9])?\): ([0-9]{1,9})")
_KB, _GB = 1024, 2**30


def parse_load(text: str) -> float | None:
    """Returns the one-minute load, from /proc/loadavg or sysctl vm.loadavg."""
    found = _LOAD.match(text)
    return float(found[1].replace(",", ".")) if found else None


def parse_meminfo(text: str) -> tuple[float | None, float | None]:
    """Returns (used, total) in GB from /proc/meminfo. Kernels before 3.14 don't report reclaimable memory."""
    values = {name: int(kb) * _KB / _GB for name, kb in _MEMINFO.findall(text)}
    total, free = values.get("MemTotal"), values.get("MemAvailable", values.get("MemFree"))
    return (max(0.0, total - free), total) if total is not None and free is not None else (None, total)


def parse_vm_stat(text: str, total_bytes: int | None) -> tuple[float | None, float | None]:
    """Returns (used, total) in GB on macOS."""
    total = total_bytes / _GB if total_bytes is not None else None
    page, pages = _PAGE_SIZE.search(text), dict(_PAGES.findall(text))
    if total is None or page is None or not pages:
        return None, total
    free = sum(map(int, pages.values())) * int(page[1]) / _GB
    return max(0.0, total - free), total


def parse_owners(text: str) -> dict[int, str]:
    """Returns user names by process id, from `ls -ld 1 2` in /proc."""
    return {int(found[2]): found[1] for line in text.splitlines() if (found := _OWNER.fullmatch(line.strip()))}


def parse_xids(text: str) -> dict[str, int]:
    """Returns the last XID by PCI address, from kernel log lines in order."""
    return {normalize_bus_id(bus): int(code) for bus, code in _XID.findall(text)}
