"""Parses s3:// addresses, and checks them without a network."""

from __future__ import annotations

import re
from typing import NamedTuple

SCHEME = "s3://"
_BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
_IP_ADDRESS = r"\d{1,3}(\.\d{1,3}){3}"
_KEY_BYTES_MAX = 1024


class S3Address(NamedTuple):
    """An address `s3://bucket/key`: one object, or all objects below the key. An empty key means the whole bucket."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, text: str) -> S3Address:
        """Parses an address. Raises ValueError with the reason."""
        if not text.startswith(SCHEME):
            raise ValueError("must be s3://bucket/key")
        if not text.isprintable():
            raise ValueError("must not hold control characters")
        bucket, _, key = text[len(SCHEME) :].partition("/")
        if not re.fullmatch(_BUCKET, bucket) or ".." in bucket or re.fullmatch(_IP_ADDRESS, bucket):
            raise ValueError(
                "names no bucket: that is 3 to 63 of a-z, 0-9, '.' and '-', starting and ending with a letter or digit"
            )
        if len(key.encode()) > _KEY_BYTES_MAX:
            raise ValueError(f"has a key of more than {_KEY_BYTES_MAX} bytes")
        return cls(bucket, key)

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key}" if self.key else f"{SCHEME}{self.bucket}"

    @property
    def is_folder(self) -> bool:
        """Whether the address can't mean a single object."""
        return not self.key or self.key.endswith("/")

    @property
    def prefix(self) -> str:
        """The prefix of the keys below the address."""
        return self.key if self.is_folder else self.key + "/"
