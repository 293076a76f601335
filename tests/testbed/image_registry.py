"""An image registry on loopback with one image, as small as one can be: what podman and docker pull from."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_PIECE = 256 << 10
_LAYER = "application/vnd.docker.image.rootfs.diff.tar"


class Registry:
    """Serves HOST/one:1. While `gate` is closed, nothing of the image is handed out."""

    def __init__(self, host: str, layers: Sequence[bytes]) -> None:
        self.host = host
        self.gate = threading.Event()
        self.gate.set()
        self.asked = threading.Event()
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer) for layer in layers]},
            "history": [{"created": "2026-01-01T00:00:00Z"}] * len(layers),
        }
        self.blobs = {_digest(blob): blob for blob in (*layers, json.dumps(config).encode())}
        kinds = [_LAYER] * len(layers) + [_CONFIG]
        parts = [
            {"mediaType": kind, "size": len(blob), "digest": digest}
            for kind, (digest, blob) in zip(kinds, self.blobs.items(), strict=True)
        ]
        manifest = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": parts[-1], "layers": parts[:-1]}
        self.manifest = json.dumps(manifest).encode()

    @property
    def image(self) -> str:
        return f"{self.host}/one:1"


@contextmanager
def registry(
    files: dict[str, bytes], more_layers: Sequence[dict[str, bytes]] = (), piece_pause_s: float = 0.0
) -> Iterator[Registry]:
    """One whose image holds these programs, by path. With a pause it hands out a layer in pieces of 256 KiB."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            name, _, rest = self.path.removeprefix("/v2/").partition("/")
            kind, _, reference = rest.partition("/")
            if not name:
                self._answer(200, b"{}", "application/json")
            elif name == "one" and kind == "manifests" and reference in ("1", _digest(served.manifest)):
                self._answer(200, served.manifest, _MANIFEST)
            elif name == "one" and kind == "blobs" and reference in served.blobs:
                served.asked.set()
                served.gate.wait(60)
                self._answer(200, served.blobs[reference], "application/octet-stream")
            else:
                self._answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}', _CONFIG)

        def _answer(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Docker-Content-Digest", _digest(body))
            self.end_headers()
            if self.command == "GET":
                for start in range(0, len(body), _PIECE):
                    self.wfile.write(body[start : start + _PIECE])
                    time.sleep(piece_pause_s)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fresh = {**files, "etc/fresh": os.urandom(8)}  # no engine has seen it before, and may leave the pull out
        layers = [_layer(contents) for contents in (fresh, *more_layers)]
        served = Registry(f"127.0.0.1:{server.server_port}", layers)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield served
        finally:
            served.gate.set()
            server.shutdown()


def _layer(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for folder in sorted({path.rpartition("/")[0] for path in files}):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def _digest(blob: bytes) -> str:
    return "sha256:" + hashlib.sha256(blob).hexdigest()
