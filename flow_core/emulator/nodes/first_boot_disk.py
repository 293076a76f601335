"""A machine's disk before its first boot: the folders of an Ubuntu machine, its settings, its users."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from pathlib import Path

from flow_core.emulator.nodes.gpus import GPUS, build_gpu_table, read_nvidia_smi
from flow_core.emulator.nodes.host_programs import entries, link_programs
from flow_core.emulator.nodes.machine_interface import NodeSpec
from flow_core.emulator.nodes.shims import SHIMS

SCRIPT = "/var/lib/foundry/startup_script.sh"
SCRIPT_LOG = "/var/log/foundry/startup_script.log"
SIGNAL = "/opt/mithril/MITHRIL_SIGNAL.yml"
_FOLDERS = (
    "boot", "data", "dev/disk/by-id", "etc/systemd/system", "home/ubuntu/.ssh", "media", "mnt/local", "opt/mithril",
    "proc", "run", "srv", "sys", "usr/local/bin", "usr/local/sbin", "var/cache", "var/lib/flow", "var/lib/foundry",
    "var/log/flow", "var/log/foundry", "var/spool", "volumes", "workspace",
)  # fmt: skip
_PRIVATE, _FOR_ALL = ("root", "home/ubuntu/.ssh"), ("tmp", "var/tmp")
_PASSWD = """\
root:x:0:0:root:/root:/bin/bash
ubuntu:x:0:0:Ubuntu:/home/ubuntu:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
_GROUP = "root:x:0:\nubuntu:x:0:\nnogroup:x:65534:\n"
# Files of /etc that each machine has its own version of, or that would reveal facts of the host.
_NOT_COPIED = {
    *("crontab", "fstab", "group", "group-", "gshadow", "gshadow-", "hostname", "hosts", "machine-id", "motd", "mtab"),
    *("passwd", "passwd-", "resolv.conf", "shadow", "shadow-", "subgid", "subgid-", "subuid", "subuid-", "sudoers"),
    "systemd",
}
_WRITTEN_TO = {"apt", "cron.d", "default", "docker", "ld.so.conf.d", "modprobe.d", "profile.d", "security", "sysctl.d"}
_LARGEST = 1 << 20


def make_disk(disk: Path, spec: NodeSpec) -> None:
    """Fills a new disk. No program has run in it yet, so no link can lead elsewhere."""
    for name in (*_FOLDERS, *_PRIVATE, *_FOR_ALL):
        (disk / name).mkdir(parents=True, exist_ok=True)
    for name in _PRIVATE:
        (disk / name).chmod(0o700)
    for name in _FOR_ALL:
        (disk / name).chmod(0o1777)
    (disk / "var/run").symlink_to("../run")
    (disk / "var/lock").symlink_to("../run/lock")
    _make_settings(disk / "etc", spec)
    for name in ("bin", "sbin"):
        link_programs(Path("/usr/local") / name, disk / "usr/local" / name)
    for entry in entries(Path("/usr/local")):
        if entry.name not in ("bin", "sbin"):
            (disk / "usr/local" / entry.name).symlink_to(f"/run/host/usr/local/{entry.name}")
    table = build_gpu_table(spec)
    if table:
        _write(disk / GPUS, table)
    write_shims(disk / "usr/local/bin", has_gpus=bool(table))
    for skeleton in entries(Path("/etc/skel")):
        if skeleton.is_file():
            shutil.copyfile(skeleton.path, disk / "home/ubuntu" / skeleton.name)
    _write(disk / "home/ubuntu/.ssh/authorized_keys", "".join(f"{key.strip()}\n" for key in spec.public_keys), 0o600)
    if spec.startup_script is not None:
        _write(disk / SCRIPT[1:], spec.startup_script, 0o700)


def write_shims(folder: Path, *, has_gpus: bool) -> None:
    """Writes a machine's own programs; they replace the host's programs of the same names."""
    for name, text in {**SHIMS, **({"nvidia-smi": read_nvidia_smi()} if has_gpus else {})}.items():
        (folder / name).unlink(missing_ok=True)  # never write through a link
        _write(folder / name, text, 0o755)


def build_hosts_file(spec: NodeSpec) -> str:
    """Returns /etc/hosts. A machine finds its rank by counting the private addresses from the bottom, the first one."""
    rows = [f"{address} {name}" for address, name in zip(spec.private_ips, make_host_names(spec), strict=True)]
    return "\n".join(["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback", *reversed(rows), ""])


def make_host_names(spec: NodeSpec) -> list[str]:
    """Returns the host names of all machines of the order, derived from this machine's name and index."""
    own = re.sub(r"[^a-z0-9-]+", "-", spec.name.lower()).strip("-")[:63] or "machine"
    found = re.fullmatch(r"(.*-)([0-9]{1,6})", own)
    stem, number = (found[1], int(found[2])) if found else (f"{own}-", spec.index)
    names = [f"{stem}{number + other - spec.index}" for other in range(len(spec.private_ips))]
    return [own if other == spec.index else name for other, name in enumerate(names)]


def change_owner(owner: int, *roots: Path) -> None:
    """Makes everything below the roots the owner's; doesn't follow links."""
    for root in roots:
        os.chown(root, owner, owner, follow_symlinks=False)
        for folder, folders, files in os.walk(root):
            for name in (*folders, *files):
                os.chown(os.path.join(folder, name), owner, owner, follow_symlinks=False)


def erase(path: Path) -> None:
    """Deletes a folder, whatever modes the machine set in it. Does nothing if it is missing."""
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except PermissionError:
        os.chmod(path, 0o700)
        for folder, folders, _ in os.walk(path):
            for name in folders:
                if not os.path.islink(inner := os.path.join(folder, name)):
                    os.chmod(inner, 0o700)
        shutil.rmtree(path)


def _make_settings(etc: Path, spec: NodeSpec) -> None:
    for entry in entries(Path("/etc")):
        if entry.name not in _NOT_COPIED:
            _copy_or_link(entry, etc / entry.name)
    for name, text in {
        "passwd": _PASSWD,
        "group": _GROUP,
        "hosts": build_hosts_file(spec),
        "fstab": "",
        "motd": "",
    }.items():
        _write(etc / name, text)
    _write(etc / "hostname", f"{make_host_names(spec)[spec.index]}\n")
    _write(etc / "machine-id", hashlib.sha256(spec.instance_fid.encode()).hexdigest()[:32] + "\n")
    _write(etc / "sudoers", "ubuntu ALL=(ALL) NOPASSWD:ALL\n")
    (etc / "mtab").symlink_to("/proc/self/mounts")
    if os.access("/etc/resolv.conf", os.R_OK):
        shutil.copyfile("/etc/resolv.conf", etc / "resolv.conf")


def _copy_or_link(entry: os.DirEntry[str], target: Path) -> None:
    """Copies a file, or the files of a folder that scripts may write to; everything else is linked."""
    if entry.is_symlink() and os.path.realpath(entry.path).startswith(("/usr/", "/proc/")):
        target.symlink_to(os.readlink(entry.path))
    elif not _is_readable_by_all(entry):
        return
    elif entry.is_file() and entry.stat().st_size <= _LARGEST:
        shutil.copyfile(entry.path, target)
    elif entry.is_dir() and entry.name in _WRITTEN_TO:
        target.mkdir()
        for inner in entries(Path(entry.path)):
            if inner.is_file() and _is_readable_by_all(inner):
                shutil.copyfile(inner.path, target / inner.name)
    elif entry.is_dir():
        target.symlink_to(f"/run/host/etc/{entry.name}")


def _is_readable_by_all(entry: os.DirEntry[str]) -> bool:
    try:
        return bool(entry.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    path.chmod(mode)
