"""An S3 server on loopback: moto's, with requests that a test can hold, refuse or break."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import boto3
import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

_DENIED = "<?xml version='1.0'?><Error><Code>{0}</Code><Message>no entry</Message></Error>"


class S3Server:
    """Serves from its creation until `close`, in threads of this process."""

    def __init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._serve, threaded=True, request_handler=MotoRequestHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        self._owner: Any = None
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.reset()

    def reset(self) -> None:
        """Removes all holds and refusals, and forgets the requests."""
        self.requests: list[str] = []
        self.callers: set[str] = set()
        self.refusals: dict[str, str] = {}  # access key -> error code
        self.listing: str | None = None  # the listing to answer with
        self.breaks = 0  # the number of connections to break
        self.waiting = 0  # the number of held requests
        self._held = ""
        self._released = threading.Event()
        self._released.set()
        self._dead = False

    def hold(self, key: str) -> None:
        """Makes requests for this object wait until `release`."""
        self._held = key
        self._released.clear()

    def release(self) -> None:
        self._released.set()

    def kill(self) -> None:
        """Acts like kill -9: breaks all connections and stops listening."""
        self._dead = True
        self._server.shutdown()
        self._server.server_close()
        self._released.set()

    def close(self) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def put(self, bucket: str, objects: dict[str, bytes], *, public: bool = False) -> None:
        client, rights = self._client(), "public-read" if public else "private"
        client.create_bucket(Bucket=bucket, ACL=rights)
        for key, content in objects.items():
            client.put_object(Bucket=bucket, Key=key, Body=content, ACL=rights)
        self.requests.clear()

    def _client(self) -> Any:
        """The owner's client; to make one takes much longer than a request."""
        if self._owner is None:
            keys = {"aws_access_key_id": "owner", "aws_secret_access_key": "owner", "region_name": "us-east-1"}
            self._owner = boto3.session.Session().client("s3", endpoint_url=self.url, **keys)
        return self._owner

    def _serve(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        self.requests.append(f"{environ['REQUEST_METHOD']} {path}?{environ['QUERY_STRING']}")
        credential = re.search("Credential=([^/]*)/", environ.get("HTTP_AUTHORIZATION", ""))
        caller = credential[1] if credential else ""
        self.callers.add(caller)
        if caller in self.refusals:
            return _answer(start, "403 Forbidden", _DENIED.format(self.refusals[caller]))
        if self.listing is not None and "list-type" in environ["QUERY_STRING"]:
            return _answer(start, "200 OK", self.listing)
        if environ["REQUEST_METHOD"] == "GET" and "list-type" not in environ["QUERY_STRING"]:
            self._hold_or_break(path, environ)
        return self._moto(environ, start)

    def _hold_or_break(self, path: str, environ: dict[str, Any]) -> None:
        if self._held and path.endswith(self._held):
            self.waiting += 1
            self._released.wait(60)
        if self._dead or self.breaks:
            self.breaks = max(0, self.breaks - 1)
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionResetError


def point_at(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes this server, and the keys of "somebody", the only ones in the environment."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    settings = {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "0ther-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "2",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


def listing(bucket: str, *objects: tuple[str, int]) -> str:
    """The listing of a server that has these objects (key, size)."""
    contents = "".join(f"<Contents><Key>{key}</Key><Size>{size}</Size></Contents>" for key, size in objects)
    return f"<?xml version='1.0'?><ListBucketResult><Name>{bucket}</Name>{contents}</ListBucketResult>"


def _answer(start: Callable[..., Any], status: str, text: str) -> Iterator[bytes]:
    start(status, [("Content-Type", "application/xml")])
    yield text.encode()
