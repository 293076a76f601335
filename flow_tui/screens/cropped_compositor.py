"""A compositor that renders only the widgets that a frame touches."""

from __future__ import annotations

from collections.abc import Iterable

from textual._compositor import Compositor
from textual.geometry import Region
from textual.strip import Strip


class CroppedCompositor(Compositor):
    """Textual renders every widget whose container touches the frame; on a screen, those are nearly all."""

    def _get_renders(self, crop: Region | None = None) -> Iterable[tuple[Region, Region, list[Strip]]]:
        if crop is None:
            yield from super()._get_renders(crop)
            return
        for widget, (region, clip) in self.visible_widgets.items():
            visible = region.intersection(clip)
            if visible and visible.overlaps(crop):
                yield region, clip, widget.render_lines(visible.translate(-region.offset))
