"""The report as pandas tables: one schema, the same under pandas 2.2 and 3.

Times are `datetime64[ns, UTC]`, counts and ports nullable integers, words that repeat
categories (ordered where the set is closed), free text the `object` dtype (pandas 2 and 3
differ in their default for text), and lists stay lists.
An empty table has the same columns and dtypes as a full one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pandas as pd

from pcapleak.document import Candidate, Confidence, Document, Engine, IceSession, Severity
from pcapleak.document import Path as FlowPath
from pcapleak.errors import PcapleakError
from pcapleak.report.text import iso_time, safe

TIME = "datetime64[ns, UTC]"
INTEGER = "Int64"
PORT = "UInt16"
WORD = "category"
FLAG = "boolean"
TEXT = "object"
LIST = "object"


class Column(NamedTuple):
    """A column: its name, dtype, and how a row's value is read."""

    name: str
    dtype: str
    read: Callable[[Any], Any] | None = None
    """None: the attribute of the same name."""
    words: tuple[str, ...] = ()
    """The categories of a closed set; those of an open one are the values that occur."""


def _columns(dtype: str, *names: str) -> tuple[Column, ...]:
    return tuple(Column(name, dtype) for name in names)


_SEVERITY = Column("severity", WORD, words=get_args(Severity))
_CONFIDENCE = Column("confidence", WORD, words=get_args(Confidence))
_PATH = Column("path", WORD, words=get_args(FlowPath))


def _path(*names: str) -> Callable[[Any], Any]:
    def read(row: Any) -> Any:
        for name in names:
            row = getattr(row, name)
        return row

    return read


class _CandidateRow(NamedTuple):
    session: IceSession
    candidate: Candidate


def _of_candidate(*columns: Column) -> tuple[Column, ...]:
    return tuple(
        column._replace(read=column.read or _path("candidate", column.name)) for column in columns
    )


TABLES: dict[str, tuple[Column, ...]] = {
    "findings": (
        *_columns(WORD, "id", "name"),
        _SEVERITY,
        _CONFIDENCE,
        *_columns(WORD, "interface"),
        *_columns(TEXT, "subject", "message", "remedy"),
        *_columns(TIME, "first_time", "last_time"),
        *_columns(INTEGER, "flow", "flow_count", "frame_count", "bytes"),
        *_columns(LIST, "frames", "addresses", "reasons"),
        *_columns(TEXT, "display_filter"),
    ),
    "flows": (
        *_columns(INTEGER, "id"),
        *_columns(TEXT, "community_id"),
        *_columns(WORD, "protocol"),
        Column("orig_address", WORD, _path("orig", "address")),
        Column("orig_port", PORT, _path("orig", "port")),
        Column("resp_address", WORD, _path("resp", "address")),
        Column("resp_port", PORT, _path("resp", "port")),
        *_columns(WORD, "interface"),
        _PATH,
        *_columns(LIST, "services"),
        *_columns(INTEGER, "orig_packets", "orig_bytes", "resp_packets", "resp_bytes"),
        *_columns(TIME, "first_time", "last_time"),
        *_columns(TEXT, "server_name", "process"),
    ),
    "candidates": (
        Column("session", WORD, _path("session", "id")),
        *_of_candidate(
            Column("type", WORD, words=("host", "srflx", "prflx", "relay")),
            Column("protocol", WORD, words=("udp", "tcp")),
            *_columns(WORD, "address"),
            *_columns(PORT, "port"),
            *_columns(WORD, "base_address"),
            *_columns(PORT, "base_port"),
            *_columns(WORD, "related_address"),
            *_columns(PORT, "related_port"),
            *_columns(TEXT, "mdns_name"),
            *_columns(INTEGER, "priority"),
            Column("priority_source", WORD, words=("observed", "predicted", "signalled")),
            *_columns(WORD, "server", "interface"),
            Column("evidence", WORD, words=("observed", "inferred", "signalled")),
            *_columns(TEXT, "username_fragment"),
            *_columns(LIST, "frames"),
            *_columns(INTEGER, "frame_count"),
            *_columns(TEXT, "line"),
        ),
    ),
    "names": (
        *_columns(TEXT, "name", "uuid"),
        *_columns(LIST, "addresses"),
        *_columns(WORD, "announcer"),
        *_columns(LIST, "interfaces"),
        *_columns(INTEGER, "ttl_s"),
        *_columns(TIME, "first_time", "last_time"),
        *_columns(FLAG, "goodbye"),
        *_columns(LIST, "queried_by", "frames"),
        *_columns(INTEGER, "frame_count"),
    ),
    "sessions": (
        *_columns(TEXT, "id"),
        *_columns(LIST, "client_addresses"),
        Column("engine", WORD, words=get_args(Engine)),
        Column("mode", "UInt8", _path("ip_handling_mode", "mode")),
        _CONFIDENCE._replace(name="mode_confidence", read=_path("ip_handling_mode", "confidence")),
        Column("shape", WORD, _path("candidate_set_shape", "shape")),
        Column("role", WORD, words=("controlling", "controlled")),
        Column("candidates", INTEGER, lambda session: len(session.candidates)),
        *_columns(INTEGER, "checks"),
        *_columns(TIME, "first_time", "last_time"),
        *_columns(LIST, "username_fragments", "tie_breakers", "nominated", "flows"),
    ),
    "resolvers": (
        *_columns(WORD, "address", "transport"),
        *_columns(INTEGER, "queries"),
        *_columns(WORD, "interface"),
        _PATH,
        *_columns(LIST, "frames"),
    ),
    "tunnels": (
        *_columns(WORD, "kind", "endpoint", "interface"),
        *_columns(FLAG, "confirmed"),
        Column("first_up", TIME, lambda tunnel: tunnel.up[0] if tunnel.up else None),
        Column("last_down", TIME, lambda tunnel: tunnel.down[-1] if tunnel.down else None),
        *_columns(LIST, "reasons"),
    ),
}


def table(document: Document, name: str) -> pd.DataFrame:
    """The table `name` of `TABLES`, one row an entry, in the report's order."""
    rows = list(_rows(document, name))
    return pd.DataFrame({column.name: _series(column, rows) for column in TABLES[name]})


def write_csv(document: Document, folder: Path) -> None:
    """Write every table as `NAME.csv`: times in ISO 8601 with nanoseconds, lists as JSON."""
    for name, columns in TABLES.items():
        frame = table(document, name)
        for column in columns:
            values = frame[column.name].tolist()
            if column.dtype == TIME:
                frame[column.name] = [
                    None if time is pd.NaT else iso_time(time.value) for time in values
                ]
            elif any(isinstance(value, list) for value in values):
                frame[column.name] = [json.dumps(value) for value in values]
        # A cell that starts like a formula would run in a spreadsheet.
        frame.map(_inert).to_csv(folder / f"{name}.csv", index=False)


def write_parquet(document: Document, folder: Path) -> None:
    """Write every table as `NAME.parquet`.

    Raises `PcapleakError` where pyarrow is not installed.
    """
    try:
        import pyarrow  # noqa: F401  pandas asks for it
    except ImportError as error:
        raise PcapleakError(
            "parquet needs pyarrow; install it with: pip install 'pcapleak[parquet]'"
        ) from error
    for name in TABLES:
        table(document, name).to_parquet(folder / f"{name}.parquet", index=False)


def _inert(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = safe(value, len(value))
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def _rows(document: Document, name: str) -> Iterator[object]:
    if name == "candidates":
        for session in document.ice_sessions:
            for candidate in session.candidates:
                yield _CandidateRow(session, candidate)
        return
    yield from getattr(document, _FIELDS.get(name, name))


_FIELDS = {"names": "mdns_names", "sessions": "ice_sessions"}


def _series(column: Column, rows: list[object]) -> pd.Series[Any]:
    read = column.read or _path(column.name)
    values = [read(row) for row in rows]
    if column.dtype == TIME:
        times = pd.DatetimeIndex([pd.NaT if value is None else value for value in values])
        return pd.Series(times.as_unit("ns").tz_localize("UTC"))
    if column.dtype == WORD:
        words = column.words or sorted({value for value in values if value is not None})
        kind = pd.CategoricalDtype(pd.Index(words, dtype=object), ordered=bool(column.words))
        return pd.Series(values, dtype=kind)
    return pd.Series(values, dtype=column.dtype)
