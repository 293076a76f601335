"""Addresses of data in S3, checked as far as that goes without asking anybody. Standard library only."""

from __future__ import annotations

import re
from typing import NamedTuple

SCHEME = "s3://"
_BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
_IP_ADDRESS = r"\d{1,3}(\.\d{1,3}){3}"
_MOST_KEY_BYTES = 1024


class S3Address(NamedTuple):
    """`s3://bucket/key`: one object, or everything below the key. No key is the whole bucket."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, text: str) -> S3Address:
        """Raises ValueError that says what is wrong with it."""
        if not text.startswith(SCHEME):
            raise ValueError("must be s3://bucket/key")
        bucket, _, key = text[len(SCHEME) :].partition("/")
        if problem := _problem(text, bucket, key):
            raise ValueError(problem)
        return cls(bucket, key)

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key}" if self.key else f"{SCHEME}{self.bucket}"

    @property
    def is_folder(self) -> bool:
        """True when it can't mean a single object."""
        return not self.key or self.key.endswith("/")

    @property
    def prefix(self) -> str:
        """What the keys of everything below it begin with."""
        return self.key if self.is_folder else self.key + "/"


def _problem(text: str, bucket: str, key: str) -> str:
    if not text.isprintable():
        return "must not hold control characters"
    if not re.fullmatch(_BUCKET, bucket) or ".." in bucket or re.fullmatch(_IP_ADDRESS, bucket):
        return "names no bucket: that is 3 to 63 of a-z, 0-9, '.' and '-', starting and ending with a letter or digit"
    if len(key.encode()) > _MOST_KEY_BYTES:
        return f"has a key of more than {_MOST_KEY_BYTES} bytes"
    return ""
