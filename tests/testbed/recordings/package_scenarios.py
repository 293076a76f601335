"""Package managers that install small packages from this machine."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed.recordings.scenario import Scenario, Values, Workspace
from testbed.recordings.transfer_scenarios import serve_slowly

_PACKAGES = ("loader", "tokens", "weights")


@contextmanager
def _wheels(workspace: Workspace) -> Iterator[Values]:
    index = workspace.folder / "index"
    for number, name in enumerate(_PACKAGES):
        needed = f"Requires-Dist: {_PACKAGES[number + 1]}\n" if number + 1 < len(_PACKAGES) else ""
        metadata = f"{name}-1.0.dist-info"
        (index / name).mkdir(parents=True)
        with zipfile.ZipFile(index / name / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}.bin", os.urandom(1 << 20))
            wheel.writestr(f"{metadata}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needed}")
            wheel.writestr(f"{metadata}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{metadata}/RECORD", "")
    with serve_slowly(index) as address:
        yield {"address": address}


@contextmanager
def _npm_packages(workspace: Workspace) -> Iterator[Values]:
    served = workspace.folder / "served"
    served.mkdir()
    (workspace.folder / "package.json").write_text('{"name": "app", "version": "1.0.0"}')
    with serve_slowly(served) as address:
        for name in _PACKAGES:
            manifest = {"name": name, "version": "1.0.0", "description": "a part"}
            _pack_npm(served / f"{name}.tgz", manifest)
            version = {**manifest, "dist": {"tarball": f"http://{address}/{name}.tgz"}}
            if name == "tokens":
                version["deprecated"] = "use weights"
            packument = {"name": name, "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
            (served / name).write_text(json.dumps(packument))
        yield {"address": address}


def _pack_npm(file: Path, manifest: dict[str, str]) -> None:
    with tarfile.open(file, "w:gz", compresslevel=1) as archive:
        for name, content in (("package.json", json.dumps(manifest).encode()), ("data.bin", os.urandom(1 << 20))):
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


@contextmanager
def _apt_root(workspace: Workspace) -> Iterator[Values]:
    """A root folder of its own for apt and dpkg, and a repository of three packages."""
    root, repository = workspace.folder / "root", workspace.folder / "repository"
    for path in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "var/lib/apt/lists/partial", "var/log/apt",
                 "var/cache/apt/archives/partial", "var/lib/dpkg/updates", "var/lib/dpkg/info", "usr"):  # fmt: skip
        (root / path).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    repository.mkdir()
    index = "".join(_pack_deb(workspace.folder / "built", repository, name) for name in _PACKAGES)
    (repository / "Packages").write_text(index)
    config = workspace.folder / "apt.conf"
    config.write_text(
        f'Dir "{root}";\nDir::State::status "{root}/var/lib/dpkg/status";\nAPT::Sandbox::User "root";\n'
        f'DPkg::Options {{ "--root={root}"; }};\nDpkg::Progress-Fancy "1";\n'
    )
    with serve_slowly(repository) as address:
        (root / "etc/apt/sources.list").write_text(f"deb [trusted=yes] http://{address} ./\n")
        yield {"config": str(config), "packages": " ".join(_PACKAGES)}


def _pack_deb(folder: Path, repository: Path, name: str) -> str:
    """Makes a package and returns its entry in the index."""
    (folder / name / "DEBIAN").mkdir(parents=True)
    (folder / name / "usr").mkdir()
    (folder / name / "usr" / f"{name}.bin").write_bytes(os.urandom(2 << 20))
    control = (
        f"Package: {name}\nVersion: 1.0\nArchitecture: all\nMaintainer: Ada <ada@example.org>\nDescription: part\n"
    )
    (folder / name / "DEBIAN" / "control").write_text(control)
    deb = repository / f"{name}.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-b", str(folder / name), str(deb)], check=True, capture_output=True
    )
    digest = hashlib.sha256(deb.read_bytes()).hexdigest()
    return f"{control}Filename: ./{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {digest}\n\n"


SCENARIOS = (
    Scenario(
        "pip-install",
        "pip",
        "{python} -m pip --version",
        "{python} -m pip install --no-cache-dir --target out --index-url http://{address}/ loader",
        _wheels,
        env=(
            ("PIP_CONFIG_FILE", "/dev/null"),
            ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
            ("PIP_ROOT_USER_ACTION", "ignore"),
        ),
    ),
    Scenario(
        "npm-install",
        "npm",
        "npm --version",
        "npm install --registry http://{address}/ --no-audit --no-update-notifier loader tokens weights",
        _npm_packages,
    ),
    Scenario(
        "apt-install",
        "apt",
        "apt --version",
        "APT_CONFIG={config} apt update && APT_CONFIG={config} apt install -y {packages}",
        _apt_root,
        env=(("DEBIAN_FRONTEND", "noninteractive"),),
    ),
)
