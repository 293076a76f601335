"""Downloads and copies, all of them on this machine."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from testbed.recordings.scenario import Scenario, Values, Workspace

_PIECES = 12
_PAUSE_S = 0.02


@contextmanager
def serve_slowly(folder: Path) -> Iterator[str]:
    """Serves the files of a folder, each in 12 pieces within a quarter of a second. Yields the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            file = folder / self.path.strip("/")
            body = _list_folder(file) if file.is_dir() else file.read_bytes() if file.is_file() else None
            self.send_response(404 if body is None else 200)
            body = body or b""
            self.send_header("Content-Type", "text/html" if file.is_dir() else "application/octet-stream")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self._send(body)

        def _send(self, body: bytes) -> None:
            piece = max(65536, len(body) // _PIECES)
            for start in range(0, len(body), piece):
                self.wfile.write(body[start : start + piece])
                time.sleep(_PAUSE_S)

        def log_message(self, *_: object) -> None:
            """Writes nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def _list_folder(folder: Path) -> bytes:
    links = "".join(f'<a href="{file.name}">{file.name}</a><br>' for file in sorted(folder.iterdir()))
    return f"<!DOCTYPE html><html><body>{links}</body></html>".encode()


@contextmanager
def _web_files(workspace: Workspace) -> Iterator[Values]:
    files = workspace.folder / "files"
    files.mkdir()
    for name, megabytes in (("weights.bin", 8), ("tokens.bin", 3)):
        (files / name).write_bytes(bytes(megabytes << 20))
    with serve_slowly(files) as address:
        yield {"address": address}


@contextmanager
def _repository(workspace: Workspace) -> Iterator[Values]:
    folder = workspace.folder / "origin"
    folder.mkdir()
    for number in range(120):
        (folder / f"shard{number}").write_bytes(os.urandom(1024))
    identity = ("-c", "user.name=ada", "-c", "user.email=ada@example.org")
    for words in (("init", "-q"), ("add", "."), (*identity, "commit", "-q", "-m", "Add shards")):
        subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)
    yield {"origin": str(folder)}


@contextmanager
def _tree(workspace: Workspace) -> Iterator[Values]:
    folder = workspace.folder / "checkpoints"
    for number in range(40):
        part = folder / f"step-{number}"
        part.mkdir(parents=True)
        (part / "weights").write_bytes(os.urandom(1 << 17))
    yield {}


SCENARIOS = (
    Scenario(
        "wget",
        "wget",
        "wget --version",
        "wget http://{address}/weights.bin http://{address}/tokens.bin; wget -q --show-progress http://{address}/tokens.bin",
        _web_files,
    ),
    Scenario(
        "curl",
        "curl",
        "curl --version",
        "curl -O http://{address}/weights.bin && curl -# -O http://{address}/tokens.bin"
        " && curl -Z -O http://{address}/tokens.bin -O http://{address}/weights.bin",
        _web_files,
    ),
    Scenario(
        "git-clone",
        "git",
        "git --version",
        "git clone file://{origin} copy && git -C copy gc",
        _repository,
    ),
    Scenario(
        "rsync",
        "rsync",
        "rsync --version",
        "rsync -a --info=progress2 --bwlimit=40M checkpoints/ copy && rsync -a --progress checkpoints/step-1 again",
        _tree,
    ),
)
