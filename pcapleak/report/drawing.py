"""Pictures of a report as shapes, which the HTML page and notebooks show as SVG.

They are `WIDTH` units wide, which a phone shows at about one unit a pixel. Text is 10 units high
and monospaced: a character is about `CHARACTER` wide.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot
from typing import Literal, NamedTuple

from msgspec import Struct, field

from pcapleak.report.text import safe

WIDTH = 420
CHARACTER = 6.1
LINE = 15
"""Height of a line of text."""

Kind = Literal["plain", "safe", "leak", "local", "muted"]


class Box(NamedTuple):
    """A rectangle with lines of text in it, the first in bold."""

    x: float
    y: float
    width: float
    height: float
    kind: Kind
    lines: tuple[str, ...] = ()
    title: str = ""
    """What hovering tells."""


class Line(NamedTuple):
    """A straight line, with an arrow head at its end where `arrow`."""

    x1: float
    y1: float
    x2: float
    y2: float
    kind: Kind
    arrow: bool = False
    title: str = ""

    def head(self) -> tuple[tuple[float, float], ...]:
        """The three corners of the arrow head at the end."""
        length = max(hypot(self.x2 - self.x1, self.y2 - self.y1), 1)
        dx, dy = (self.x2 - self.x1) / length, (self.y2 - self.y1) / length
        back_x, back_y = self.x2 - 8 * dx, self.y2 - 8 * dy
        return (
            (round(self.x2, 2), round(self.y2, 2)),
            (round(back_x - 4 * dy, 2), round(back_y + 4 * dx, 2)),
            (round(back_x + 4 * dy, 2), round(back_y - 4 * dx, 2)),
        )


class Label(NamedTuple):
    """One line of text; `y` is its base line."""

    x: float
    y: float
    text: str
    anchor: Literal["start", "middle", "end"] = "start"
    kind: Kind = "plain"
    title: str = ""


class Drawing(Struct):
    """Shapes in painting order, and what the picture shows in words. Notebooks show it."""

    title: str
    height: float = 0
    boxes: list[Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    width: float = WIDTH

    def __repr__(self) -> str:
        # A notebook keeps the text beside the picture.
        return f"Drawing(title={self.title!r}, height={self.height!r}, width={self.width!r})"

    def stack(
        self, lines: Sequence[str], x: float, y: float, width: float, kind: Kind, limit: int
    ) -> float:
        """Add a box holding `lines`, at most `limit` of them, and give where it ends."""
        shown = list(lines[:limit])
        if len(lines) > limit:
            shown.append(f"and {len(lines) - limit} more")
        texts = tuple(part for line in shown for part in wrap(line, width - 10))
        height = LINE * len(texts) + 12
        self.boxes.append(Box(x, y, width, height, kind, texts, ", ".join(map(safe, lines))))
        return y + height

    def to_svg(self) -> str:
        """The picture as an SVG of its own, with its title and its colours, in which nothing is
        loaded and nothing runs."""
        from pcapleak.report.rendering import environment

        return environment().get_template("picture.svg.j2").render(drawing=self)

    _repr_svg_ = to_svg


def wrap(text: str, width: float) -> list[str]:
    """`text` in one line of at most `width` units, or two where it has a space."""
    first, space, rest = text.partition(" ")
    if not space or len(safe(text)) * CHARACTER <= width:
        return [fit(text, width)]
    return [fit(first, width), fit(rest, width)]


def fit(text: str, width: float) -> str:
    """`text`, its middle left out where it would be wider than `width` units."""
    room = max(int(width / CHARACTER), 5)
    text = safe(text)
    if len(text) <= room:
        return text
    head = (room - 1) // 2
    return f"{text[:head]}…{text[len(text) - (room - 1 - head) :]}"
