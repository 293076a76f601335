"""The style of a terminal cell, and the shortest control sequence from one style to another."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from rich.color import Color, ColorSystem
from rich.style import Style

_ATTRIBUTES = {
    "bold": "1",
    "dim": "2",
    "italic": "3",
    "underline": "4",
    "blink": "5",
    "blink2": "6",
    "reverse": "7",
    "conceal": "8",
    "strike": "9",
    "underline2": "21",
    "frame": "51",
    "encircle": "52",
    "overline": "53",
}


class Pen(NamedTuple):
    """The parameters of SGR for the attributes and for both colours, and those of a link; "" stands for none."""

    attributes: str = ""
    front: str = ""
    back: str = ""
    link: str = ""


PLAIN_PEN = Pen()
"""The style of a terminal after a reset."""


@lru_cache(maxsize=4096)
def make_pen(style: Style | None, colours: ColorSystem) -> Pen:
    """Returns the pen for a style of Rich. Ignores what of a style is not drawn, such as what a click does."""
    if style is None:
        return PLAIN_PEN
    attributes = ";".join(number for name, number in _ATTRIBUTES.items() if getattr(style, name))
    link = f"id={style.link_id};{style.link}" if style.link else ""
    return Pen(attributes, _list_codes(style.color, colours, True), _list_codes(style.bgcolor, colours, False), link)


@lru_cache(maxsize=4096)
def switch_pen(before: Pen, after: Pen) -> str:
    """Returns the control sequences that change the style of a terminal from one pen to another."""
    is_plain, was_plain = after[:3] == PLAIN_PEN[:3], before[:3] == PLAIN_PEN[:3]
    if not was_plain and (is_plain or (before.attributes and before.attributes != after.attributes)):
        codes = ["0", *filter(None, (after.attributes, after.front, after.back))]
    else:
        codes = [after.attributes] if before.attributes != after.attributes else []
        codes += [after.front or "39"] if before.front != after.front else []
        codes += [after.back or "49"] if before.back != after.back else []
    link = f"\x1b]8;{after.link or ';'}\x1b\\" if before.link != after.link else ""
    return link + (f"\x1b[{';'.join(codes)}m" if codes else "")


def _list_codes(colour: Color | None, colours: ColorSystem, is_front: bool) -> str:
    return "" if colour is None else ";".join(colour.downgrade(colours).get_ansi_codes(is_front))
