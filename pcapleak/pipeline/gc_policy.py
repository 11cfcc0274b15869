"""How often Python looks for garbage that reference counts do not free."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

RARELY = (1_000_000, 20, 50)
"""Thresholds. Nothing here makes cycles, and each look at what is new costs as much as decoding
it did; were all of it garbage, a million objects would be some 100 MB."""


@contextmanager
def rare_collection() -> Iterator[None]:
    """Look rarely meanwhile."""
    usual = gc.get_threshold()
    gc.set_threshold(*RARELY)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
