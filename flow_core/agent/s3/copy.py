"""Copying what lies at an address in S3 to a file or folder of this machine. Needs boto3."""

from __future__ import annotations

import json
import os
import queue
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import boto3
from boto3.s3.transfer import TransferConfig, create_transfer_manager
from botocore import UNSIGNED
from botocore.config import Config

from flow_core.agent.s3.address import S3Address
from flow_core.agent.s3.copies import LIST, PARTS
from flow_core.agent.s3.errors import explained
from flow_core.agent.s3.listing import Entry, find
from flow_core.agent.s3.report import FetchError, Report, Unfit

_CONNECTIONS = 8
_PART_BYTES = 1 << 24
_IN_FLIGHT = 32  # objects that were asked for and are not complete
_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S = 15, 60


def s3_client(addresses: str) -> Any:
    """Where it connects to, and as whom, boto3 finds in the environment, else in the profile; else as nobody.

    Raises FetchError about the addresses that it is for.
    """
    try:
        with explained(addresses):
            session = boto3.session.Session()
            config = Config(
                connect_timeout=_CONNECT_TIMEOUT_S,
                read_timeout=_READ_TIMEOUT_S,
                max_pool_connections=2 * _CONNECTIONS,
                signature_version=None if session.get_credentials() else UNSIGNED,  # much of the world's data is public
            )
            return session.client("s3", config=config)
    except ValueError as error:
        why = "AWS_ENDPOINT_URL is no address of a server; it looks like https://host:port"
        raise FetchError(f"{addresses} can't be fetched: {why}") from error


class S3Copy:
    """One address and its place here: first `look`, then `fetch`. Both raise FetchError."""

    def __init__(self, client: Any, address: str, place: Path, report: Report) -> None:
        self._client = client
        self._address = S3Address.parse(address)
        self._place = place
        self._report = report
        # A file beside the copy: a list of millions has no place in memory.
        self._list = place.with_name(LIST + place.name)
        self._parts = place.with_name(PARTS + place.name)
        self._objects = 0
        self.total_bytes = 0

    def look(self) -> None:
        """Finds out what is there, and that all of it can be files here."""
        self._report.look(str(self._address))
        with self._explained(), open(self._list, "w", encoding="utf-8") as stream:
            for entry in find(self._client, self._address, self._report):
                stream.write(json.dumps(entry) + "\n")
                self._objects += 1
                self.total_bytes += entry.size
            if not self._objects:
                raise Unfit("there is nothing")

    def fetch(self) -> None:
        """Every file appears whole and read-only."""
        self._report.begin(str(self._address), self._objects, self.total_bytes)
        config = TransferConfig(
            multipart_threshold=_PART_BYTES,
            multipart_chunksize=_PART_BYTES,
            max_concurrency=_CONNECTIONS,
            preferred_transfer_client="classic",  # the native one keeps to none of these limits
        )
        with self._explained():
            self._parts.mkdir()
            os.chmod(self._place, 0o755)  # as what will be in it
            self._transfer(create_transfer_manager(self._client, config))
            self._parts.rmdir()
            self._list.unlink()

    def _explained(self) -> AbstractContextManager[None]:
        return explained(str(self._address), anonymous=self._client.meta.config.signature_version is UNSIGNED)

    def _transfer(self, manager: Any) -> None:
        arrived: queue.SimpleQueue[_Transfer] = queue.SimpleQueue()
        in_flight = 0
        for number, entry in enumerate(self._entries()):
            if in_flight == _IN_FLIGHT:
                self._settle(arrived.get())
                in_flight -= 1
            transfer = _Transfer(entry, self._parts / str(number), self._report, arrived)
            manager.download(self._address.bucket, entry.key, str(transfer.part), subscribers=[transfer])
            in_flight += 1
        for _ in range(in_flight):
            self._settle(arrived.get())

    def _entries(self) -> Iterator[Entry]:
        """Those that hold data; the folders among the others are made on the way."""
        with open(self._list, encoding="utf-8") as stream:
            for line in stream:
                entry = Entry(*json.loads(line))
                if entry.path.endswith("/"):
                    self._make_folder(self._place / entry.path, entry)
                    self._report.arrived()
                else:
                    yield entry

    def _settle(self, transfer: _Transfer) -> None:
        transfer.future.result()
        entry = transfer.entry
        if os.stat(transfer.part).st_size != entry.size:
            raise Unfit(f"the object {entry.key!r} was changed meanwhile")
        os.chmod(transfer.part, 0o444)
        if not entry.path:
            if self._place.is_dir():
                self._place.rmdir()
            os.replace(transfer.part, self._place)
        else:
            self._put(transfer.part, entry)
        self._report.arrived()

    def _put(self, part: Path, entry: Entry) -> None:
        target = self._place / entry.path
        self._make_folder(target.parent, entry)
        try:
            # Names that are one here though they were two there, as "A" and "a" on some disks, must not go unnoticed.
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444))
        except FileExistsError:
            raise Unfit(f"the object {entry.path!r} has the same name as another on this disk") from None
        os.replace(part, target)

    def _make_folder(self, folder: Path, entry: Entry) -> None:
        if self._place.is_file():
            self._place.unlink()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise Unfit(f"the object {entry.path!r} needs a folder where another object is a file") from None


class _Transfer:
    """One object on its way; the transfer manager calls these methods, from its own threads."""

    def __init__(self, entry: Entry, part: Path, report: Report, arrived: queue.SimpleQueue[_Transfer]) -> None:
        self.entry = entry
        self.part = part
        self.future: Any = None
        self._report = report
        self._arrived = arrived

    def on_queued(self, future: Any, **_: Any) -> None:
        """Tells what the listing told, which saves a question for each object."""
        future.meta.provide_transfer_size(self.entry.size)
        if self.entry.etag and hasattr(future.meta, "provide_object_etag"):
            future.meta.provide_object_etag(self.entry.etag)

    def on_progress(self, bytes_transferred: int, **_: Any) -> None:
        self._report.moved(bytes_transferred)

    def on_done(self, future: Any, **_: Any) -> None:
        self.future = future
        self._arrived.put(self)
