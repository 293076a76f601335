"""What lies at an address in S3. Its far side is whatever client boto3 makes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from flow_core.agent.s3.address import S3Address
from flow_core.agent.s3.keys import Clashes, path_of
from flow_core.agent.s3.report import Report, Unfit


class Entry(NamedTuple):
    """One object: its key, and where it goes below the copy's place ("" for the place itself)."""

    key: str
    size: int
    etag: str
    path: str


def find(client: Any, address: S3Address, report: Report) -> Iterator[Entry]:
    """The object of exactly this key, else all below it, page by page. Raises Unfit and what botocore raises."""
    if not address.is_folder and (single := _single(client, address)) is not None:
        yield single
        return
    clashes = Clashes()
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=address.bucket, Prefix=address.prefix)
    for page in pages:
        contents = page.get("Contents", ())
        report.found(len(contents))
        for found in contents:
            if found["Key"] != address.prefix:  # an object of that name is how consoles mark a folder
                entry = _below(address, found)
                clashes.check(entry.path)
                yield entry


def _single(client: Any, address: S3Address) -> Entry | None:
    try:
        found = client.head_object(Bucket=address.bucket, Key=address.key)
    except ClientError:
        return None  # not there, or not to be asked for: the listing tells, and says why
    return Entry(address.key, int(found["ContentLength"]), found.get("ETag", ""), "")


def _below(address: S3Address, found: dict[str, Any]) -> Entry:
    key, size = str(found["Key"]), int(found["Size"])
    path = path_of(key[len(address.prefix) :])
    if path.endswith("/") and size:
        raise Unfit(f"the object {path!r} holds data and is named like a folder")
    return Entry(key, size, found.get("ETag", ""), path)
