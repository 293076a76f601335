"""Downloads the objects of an S3 address to a file or folder, with boto3's transfer manager."""

from __future__ import annotations

import json
import os
import queue
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any, NamedTuple

from boto3.s3.transfer import TransferConfig, create_transfer_manager
from boto3.session import Session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from flow_core.agent.s3.address import S3Address
from flow_core.agent.s3.error_messages import download_errors
from flow_core.agent.s3.errors import DownloadError, UnsupportedKey
from flow_core.agent.s3.progress import DownloadProgress
from flow_core.agent.s3.staging import STAGING

_CONNECTIONS = 8
_PART_BYTES = 1 << 24
_OBJECTS_AT_ONCE = 32
_NAME_BYTES_MAX = 255
_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S = 15, 60


class S3Object(NamedTuple):
    """One object: its key, and its path below the download's folder ("" for a single object, "a/" for a folder)."""

    key: str
    size: int
    etag: str
    path: str


def create_s3_client(addresses: str) -> Any:
    """Creates a client with the endpoint and the credentials of the environment or the profile, if there are any.

    Raises DownloadError about `addresses`.
    """
    try:
        with download_errors(addresses):
            session = Session()
            config = Config(
                connect_timeout=_CONNECT_TIMEOUT_S,
                read_timeout=_READ_TIMEOUT_S,
                max_pool_connections=2 * _CONNECTIONS,
                signature_version=None if session.get_credentials() else UNSIGNED,  # many data sets are public
            )
            return session.client("s3", config=config)
    except ValueError as error:
        why = "AWS_ENDPOINT_URL is no address of a server; it looks like https://host:port"
        raise DownloadError(f"{addresses} can't be fetched: {why}") from error


class S3Download:
    """The download of one address to `target`. First `list_objects`, then `download`. Both raise DownloadError."""

    def __init__(self, client: Any, address: str, target: Path, progress: DownloadProgress) -> None:
        self._client = client
        self._address = S3Address.parse(address)
        self._target = target
        self._staging = target.with_name(STAGING + target.name)
        self._data = self._staging / "data"
        self._list = self._staging / "objects"  # on disk: a list of millions would need too much memory
        self._progress = progress
        self._objects = 0
        self.total_bytes = 0

    def list_objects(self) -> None:
        """Lists the objects and creates an empty file for each, which detects unsupported keys before any download."""
        self._progress.start(str(self._address))
        with self._errors():
            self._staging.mkdir()
            with open(self._list, "w", encoding="utf-8") as stream:
                for found in find_objects(self._client, self._address):
                    create_file(self._data, found.path)
                    stream.write(json.dumps(found) + "\n")
                    self._objects += 1
                    self.total_bytes += found.size
                    self._progress.add(objects=1)
            if not self._objects:
                raise UnsupportedKey("there is nothing")

    def download(self) -> None:
        """Downloads the objects; replaces the target once all are complete. The files are read-only."""
        self._progress.start(str(self._address), self._objects, self.total_bytes)
        with self._errors():
            self._transfer()
            self._list.unlink()
            (os.rmdir if self._target.is_dir() else os.unlink)(self._target)
            self._data.rename(self._target)
            self._staging.rmdir()

    def _errors(self) -> AbstractContextManager[None]:
        return download_errors(str(self._address), anonymous=self._client.meta.config.signature_version is UNSIGNED)

    def _transfer(self) -> None:
        config = TransferConfig(
            multipart_threshold=_PART_BYTES,
            multipart_chunksize=_PART_BYTES,
            max_concurrency=_CONNECTIONS,
            preferred_transfer_client="classic",  # the CRT client ignores these limits
        )
        manager = create_transfer_manager(self._client, config)
        ended: queue.SimpleQueue[_Transfer] = queue.SimpleQueue()
        running = 0
        for found in self._read_list():
            if running == _OBJECTS_AT_ONCE:
                ended.get().finish()
                running -= 1
            transfer = _Transfer(found, self._open(found.path), self._progress, ended)
            manager.download(self._address.bucket, found.key, transfer.file, subscribers=[transfer])
            running += 1
        for _ in range(running):
            ended.get().finish()
        manager.shutdown()

    def _open(self, path: str) -> IO[bytes]:
        return open(self._data / path, "wb")

    def _read_list(self) -> Iterator[S3Object]:
        """Yields the objects without the folders, which exist already."""
        with open(self._list, encoding="utf-8") as stream:
            for line in stream:
                found = S3Object(*json.loads(line))
                if found.path.endswith("/"):
                    self._progress.add(objects=1)
                else:
                    yield found


def find_objects(client: Any, address: S3Address) -> Iterator[S3Object]:
    """Yields the object with exactly this key, otherwise all objects below it.

    Raises UnsupportedKey, botocore's errors.
    """
    if not address.is_folder:
        try:
            head = client.head_object(Bucket=address.bucket, Key=address.key)
        except ClientError:
            pass  # it doesn't exist, or can't be read: the listing shows which
        else:
            yield S3Object(address.key, head["ContentLength"], head.get("ETag", ""), "")
            return
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=address.bucket, Prefix=address.prefix)
    for found in pages.search("Contents[]"):
        if found and found["Key"] != address.prefix:  # an object of that name only marks the folder
            path = make_file_path(found["Key"][len(address.prefix) :])
            if path.endswith("/") and found["Size"]:
                raise UnsupportedKey(f"the object {path!r} holds data and is named like a folder")
            yield S3Object(found["Key"], found["Size"], found.get("ETag", ""), path)


def make_file_path(below: str) -> str:
    """Returns the path for the part of a key after the prefix; that of a folder ends in "/". Raises UnsupportedKey."""
    parts = (below[:-1] if below.endswith("/") else below).split("/")
    if "\0" in below or not all(parts) or {".", ".."} & set(parts):
        raise UnsupportedKey(f"the object {below!r} has a name that no file below a folder can have")
    if any(len(part.encode(errors="replace")) > _NAME_BYTES_MAX for part in parts):
        raise UnsupportedKey(f"the object {below[:80]!r}... has a name that is too long for a file")
    return below


def create_file(folder: Path, path: str) -> None:
    """Creates an empty file and its folders, or just a folder. Raises UnsupportedKey if another object blocks it."""
    target = folder / path
    try:
        if path.endswith("/"):
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch(0o644, exist_ok=False)  # also fails if "A" and "a" are one name for the disk
    except (FileExistsError, NotADirectoryError):
        raise UnsupportedKey(f"the object {path!r} and another one can't both be files in one folder") from None


class _Transfer:
    """The transfer of one object. The manager calls the `on_` methods, from several threads."""

    def __init__(
        self, found: S3Object, file: IO[bytes], progress: DownloadProgress, ended: queue.SimpleQueue[_Transfer]
    ) -> None:
        self.file = file
        self._found = found
        self._progress = progress
        self._ended = ended
        self._future: Any = None

    def on_queued(self, future: Any, **_: Any) -> None:
        """Sets the size and the ETag of the object from the listing, which saves a request."""
        future.meta.provide_transfer_size(self._found.size)
        if self._found.etag and hasattr(future.meta, "provide_object_etag"):
            future.meta.provide_object_etag(self._found.etag)

    def on_progress(self, bytes_transferred: int, **_: Any) -> None:
        self._progress.add(size=bytes_transferred)

    def on_done(self, future: Any, **_: Any) -> None:
        self._future = future
        self._ended.put(self)

    def finish(self) -> None:
        """Completes the file. Raises UnsupportedKey, and the errors of the transfer and of the disk."""
        with self.file:
            self._future.result()
            self.file.flush()
            if os.fstat(self.file.fileno()).st_size != self._found.size:
                raise UnsupportedKey(f"the object {self._found.key!r} was changed meanwhile")
            os.fchmod(self.file.fileno(), 0o444)
        self._progress.add(objects=1)
