"""The pictures of a report as matplotlib figures, for notebooks and papers."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from pcapleak.errors import PcapleakError
from pcapleak.report.drawing import LINE, Drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INCHES_PER_UNIT = 1 / 60
"""A figure is 7 inches wide, as a notebook's column is."""
POINTS = 10 * 72 * INCHES_PER_UNIT * 0.94
"""Font size: text 10 units high. Matplotlib's font is a little wider than a browser's."""

# Colours that stay apart for colour-blind readers and in print, on white.
EDGES = {
    "plain": "#59636e",
    "safe": "#1a7f37",
    "leak": "#b3261e",
    "local": "#8a6100",
    "muted": "#c3cad1",
}
FILLS = {
    "plain": "#f6f8fa",
    "safe": "#e6f6ea",
    "leak": "#fdecea",
    "local": "#fff6dd",
    "muted": "#f6f8fa",
}


def figure(drawing: Drawing) -> Figure:
    """Paint `drawing`. The figure belongs to the caller; no global state of pyplot is touched.

    Raises `PcapleakError` where matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise PcapleakError(
            "figures need matplotlib; install it with: pip install 'pcapleak[notebook]'"
        ) from error
    from matplotlib.patches import FancyBboxPatch, Polygon

    class Picture(Figure):
        """A figure that a notebook shows even where pyplot was never loaded."""

        def _repr_png_(self) -> bytes:
            buffer = io.BytesIO()
            self.savefig(buffer, format="png")
            return buffer.getvalue()

    width, height = drawing.width + 8, drawing.height + 8 + 2 * LINE
    result = Picture(figsize=(width * INCHES_PER_UNIT, height * INCHES_PER_UNIT), dpi=100)
    axes = result.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(-4, drawing.width + 4)
    axes.set_ylim(drawing.height + 4, -4 - 2 * LINE)
    axes.text(0, -LINE, _plain(drawing.title), fontsize=POINTS * 1.2, weight="bold")
    for line in drawing.lines:
        axes.plot([line.x1, line.x2], [line.y1, line.y2], color=EDGES[line.kind], linewidth=1.2)
        if line.arrow:
            axes.add_patch(Polygon(line.head(), closed=True, color=EDGES[line.kind]))
    for box in drawing.boxes:
        axes.add_patch(
            FancyBboxPatch(
                (box.x, box.y),
                box.width,
                box.height,
                boxstyle="round,pad=0,rounding_size=3",
                edgecolor=EDGES[box.kind],
                facecolor=FILLS[box.kind],
                linewidth=1.2,
                zorder=3,
            )
        )
    _write(axes, drawing)
    return result


def _write(axes: Axes, drawing: Drawing) -> None:
    """The words of the boxes, the first line of each bold, and the labels."""
    for box in drawing.boxes:
        for number, text in enumerate(box.lines):
            axes.text(
                box.x + 6,
                box.y + 17 + LINE * number,
                _plain(text),
                fontsize=POINTS,
                family="monospace",
                weight="normal" if number else "bold",
                zorder=4,
            )
    for label in drawing.labels:
        axes.text(
            label.x,
            label.y,
            _plain(label.text),
            fontsize=POINTS,
            family="monospace",
            horizontalalignment={"start": "left", "middle": "center", "end": "right"}[label.anchor],
            color={"plain": "#1b1f24", "muted": "#59636e"}.get(label.kind, EDGES[label.kind]),
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            zorder=4,
        )


def _plain(text: str) -> str:
    """A dollar sign would start mathematics in matplotlib."""
    return text.replace("$", r"\$")
