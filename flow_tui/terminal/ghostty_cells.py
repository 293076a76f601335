"""The bit layout of a cell of libghostty."""

from __future__ import annotations

import json

from pyghostty import ffi, lib

WIDE, WIDE_TAIL, WIDE_HEAD = 1, 2, 3
"""A wide character, its second column, and the last column of a row that has no room for a wide character."""
GRAPHEME = 1


class CellBits:
    """Positions of the fields in the 64 bits of a cell. The library describes them at run time and may move them."""

    def __init__(self) -> None:
        described = json.loads(ffi.string(lib.ghostty_type_json()))["types"]["GhosttyCell"]["bits"]
        self.tag, self.tag_mask = self._field(described["content_tag"])
        self.content, self.content_mask = self._field(described["content"])
        self.style, self.style_mask = self._field(described["style_id"])
        self.wide, self.wide_mask = self._field(described["wide"])
        self.not_plain = self.tag_mask << self.tag | self.wide_mask << self.wide
        codepoint = described["content"]["arms"]["CODEPOINT"]["bits"]["codepoint"]
        self.codepoint_mask = (1 << codepoint["width"]) - 1

    @staticmethod
    def _field(described: dict[str, int]) -> tuple[int, int]:
        return described["lsb"], (1 << described["width"]) - 1


CELL_BITS = CellBits()
