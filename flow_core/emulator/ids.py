"""Identifiers as the platform has them: a prefix and sixteen letters and digits."""

from __future__ import annotations

import random
import string
import uuid

_BASE62 = string.ascii_letters + string.digits


class IdSource:
    """A source of ids: the same ids in the same order for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"fids {seed}")

    def make(self, prefix: str) -> str:
        return f"{prefix}_{''.join(self._random.choices(_BASE62, k=16))}"

    def uuid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))
