"""A progress bar in a notebook."""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import monotonic

from pcapleak.values.words import size

EVERY_S = 0.2
"""Seconds between two updates: each is a message to the notebook."""


def notebook_progress() -> Callable[[int, int | None], None] | None:
    """Shows how much was read under the running cell; None where there is no notebook.

    What stays under the cell is what was read in all.
    """
    # Only a cell has a kernel behind its shell: the library may be loaded without one.
    loaded = sys.modules.get("IPython")
    if loaded is None or getattr(loaded.get_ipython(), "kernel", None) is None:
        return None
    from IPython.display import HTML, display

    shown = display(HTML(""), display_id=True)
    if shown is None:
        return None
    updated = 0.0

    def progress(done: int, total: int | None) -> None:
        nonlocal updated
        now = monotonic()
        finished = total is not None and done >= total
        if not finished and updated and now - updated < EVERY_S:
            return
        updated = now
        bar = (
            "" if finished or not total else f'<progress value="{done}" max="{total}"></progress> '
        )
        shown.update(HTML(f"{bar}{size(done)} read"))

    return progress
