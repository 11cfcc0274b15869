"""STUN messages as tables: the captures are read once more, and never held as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from pcapleak.decode.stun.decoder import StunMessage
from pcapleak.errors import PcapleakError
from pcapleak.explain.messages import read_messages
from pcapleak.report.output import OutputFile
from pcapleak.report.writers.tables import STUN, frame_of, inert_texts
from pcapleak.values.packets import Context, Interface

ROWS = 100_000
"""Rows of a piece: about 50 MB."""


class StunRow(NamedTuple):
    """A message, and where it was seen; the columns of `frames.STUN` read it."""

    context: Context
    message: StunMessage
    interface: str


def stun_tables(paths: Sequence[str | Path], *, rows: int = ROWS) -> Iterator[pd.DataFrame]:
    """Every STUN message of the captures, as tables of at most `rows` rows; at least one.

    Several captures count as one timeline, as merged reports do. Messages inside TURN and
    proxies, and those that ICMP errors quote, are rows of their own, told apart by `layers`.
    Raises `CaptureError` as `open_capture`, `PcapleakError` where one is a stream.
    """
    if "-" in map(str, paths):
        raise PcapleakError("STUN tables need a second reading; give a file instead of -")
    found = _rows(paths)
    piece = list(islice(found, rows))
    yield frame_of(STUN, piece)
    while piece := list(islice(found, rows)):
        yield frame_of(STUN, piece)


def stun_table(paths: Sequence[str | Path]) -> pd.DataFrame:
    """All of `stun_tables` in one."""
    return frame_of(STUN, list(_rows(paths)))


def write_csv(paths: Sequence[str | Path], folder: Path, *, rows: int = ROWS) -> None:
    """Write `stun.csv`, piece by piece."""
    with OutputFile(folder / "stun.csv") as file:
        for number, piece in enumerate(stun_tables(paths, rows=rows)):
            texts = inert_texts(piece, STUN)
            texts.to_csv(file, index=False, header=not number, mode="wb", encoding="utf-8")


def write_parquet(paths: Sequence[str | Path], folder: Path, *, rows: int = ROWS) -> None:
    """Write `stun.parquet`, one row group a piece. pyarrow must be there."""
    import pyarrow
    from pyarrow import parquet

    pieces = stun_tables(paths, rows=rows)
    first = next(pieces)
    inferred = pyarrow.Schema.from_pandas(first, preserve_index=False)
    lists = pyarrow.list_(pyarrow.string())
    # Texts that are missing from a piece would be of another type in it.
    schema = pyarrow.schema(
        [
            pyarrow.field(name, lists if name in ("layers", "peers") else pyarrow.string())
            if str(first[name].dtype) in ("object", "category")
            else inferred.field(name)
            for name in first.columns
        ],
    )
    with (
        OutputFile(folder / "stun.parquet") as file,
        parquet.ParquetWriter(file, schema) as writer,
    ):
        for piece in chain([first], pieces):
            writer.write_table(pyarrow.Table.from_pandas(piece, schema, preserve_index=False))


def _rows(paths: Sequence[str | Path]) -> Iterator[StunRow]:
    interfaces: list[Interface] = []
    for context, message in read_messages(paths, interfaces=interfaces):
        if isinstance(message, StunMessage):
            yield StunRow(context, message, interfaces[context.interface].label)
