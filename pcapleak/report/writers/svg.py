"""A picture of a report as an SVG of its own, for notebooks and papers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcapleak.report.writers.html import environment

if TYPE_CHECKING:
    from pcapleak.report.drawing import Drawing


def to_svg(drawing: Drawing) -> str:
    """The picture with its title and its colours, in which nothing is loaded and nothing runs."""
    return environment().get_template("picture.svg.j2").render(drawing=drawing)
