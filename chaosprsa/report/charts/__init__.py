"""Nouns to inline SVG, one chart a module; each is drawn twice, for a desk and for a telephone."""

from collections.abc import Callable

from markupsafe import Markup

WIDE_PX, NARROW_PX = 900, 340


def figure(draw: Callable[[int], Markup]) -> Markup:
    """Both drawings; the style sheet shows the one that fits."""
    drawings = ((WIDE_PX, "wide"), (NARROW_PX, "narrow"))
    return Markup("").join(Markup('<div class="{}">{}</div>').format(name, draw(width)) for width, name in drawings)
