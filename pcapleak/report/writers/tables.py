"""The report as pandas tables: one schema, the same under pandas 2.2 and 3.

Times are `datetime64[ns, UTC]`, counts and ports nullable integers, words that repeat
categories (ordered where the set is closed), free text the `object` dtype (pandas 2 and 3
differ in their default for text), and lists stay lists.
An empty table has the same columns and dtypes as a full one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pandas as pd

from pcapleak.errors import PcapleakError
from pcapleak.report.document import Candidate, Confidence, Document, Engine, IceSession, Severity
from pcapleak.report.document import Path as FlowPath
from pcapleak.report.output import OutputFile
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


_SEVERITY = Column("severity", WORD, words=tuple(word.value for word in Severity))
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


def _of(owner: str, *columns: Column) -> tuple[Column, ...]:
    """Columns that an attribute of the row has."""
    return tuple(
        column._replace(read=column.read or _path(owner, column.name)) for column in columns
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
        *_columns(TEXT, "display_filter", "process"),
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
        *_of(
            "candidate",
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
        *_columns(
            LIST,
            "username_fragments",
            "peer_username_fragments",
            "tie_breakers",
            "nominated",
            "flows",
        ),
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


def _end(which: str, part: str) -> Callable[[Any], Any]:
    """A part of an endpoint that a row's context or message has."""

    def read(row: Any) -> Any:
        owner = row.context if which in ("source", "destination") else row.message
        endpoint = getattr(owner, which)
        if endpoint is None:
            return None
        return endpoint.port if part == "port" else str(endpoint.address)

    return read


def _number(name: str, part: str) -> Callable[[Any], Any]:
    """A part of an attribute a message may lack."""
    return lambda row: getattr(getattr(row.message, name), part, None)


STUN: tuple[Column, ...] = (
    *_of("context", *_columns(INTEGER, "frame")),
    Column("time", TIME, _path("context", "ts_ns")),
    *_columns(TEXT, "interface"),
    *_of("context", Column("transport", WORD, words=("udp", "tcp"))),
    Column("source_address", TEXT, _end("source", "address")),
    Column("source_port", PORT, _end("source", "port")),
    Column("destination_address", TEXT, _end("destination", "address")),
    Column("destination_port", PORT, _end("destination", "port")),
    Column("layers", LIST, lambda row: list(row.context.layers)),
    *_of("context", *_columns(INTEGER, "flow")),
    Column("method", TEXT, _path("message", "method_name")),
    Column(
        "message_class",
        WORD,
        _path("message", "message_class"),
        words=("request", "indication", "success", "error"),
    ),
    Column("transaction_id", TEXT, lambda row: row.message.transaction_id.hex()),
    *(
        column
        for name in ("mapped_address", "relayed_address", "response_origin", "other_address")
        for column in (
            Column(name, TEXT, _end(name, "address")),
            Column(f"{name.removesuffix('_address')}_port", PORT, _end(name, "port")),
        )
    ),
    Column("peers", LIST, lambda row: [str(peer) for peer in row.message.peer_addresses]),
    *_of("message", *_columns(TEXT, "username", "realm", "software")),
    *_of("message", *_columns(INTEGER, "priority")),
    Column("tie_breaker", TEXT, lambda row: _hexadecimal(row.message.tie_breaker)),
    Column("role", WORD, lambda row: _role(row.message), words=("controlling", "controlled")),
    *_of("message", *_columns(FLAG, "use_candidate", "is_ice")),
    Column("network_id", INTEGER, _number("network_info", "id")),
    Column("network_cost", INTEGER, _number("network_info", "cost")),
    Column("error_code", INTEGER, _number("error", "code")),
    *_of("message", *_columns(INTEGER, "lifetime_s", "channel_number")),
    *_of("message", Column("fingerprint", WORD, words=("ok", "bad"))),
)
"""STUN messages, one row each; they are no part of the report but read from the captures."""


def _hexadecimal(number: int | None) -> str | None:
    return None if number is None else f"{number:016x}"


def _role(message: Any) -> str | None:
    if message.ice_controlling is not None:
        return "controlling"
    return None if message.ice_controlled is None else "controlled"


def table(document: Document, name: str) -> pd.DataFrame:
    """The table `name` of `TABLES`, one row an entry, in the report's order."""
    return frame_of(TABLES[name], list(_rows(document, name)))


def frame_of(columns: tuple[Column, ...], rows: Sequence[object]) -> pd.DataFrame:
    """A table of `rows`."""
    return pd.DataFrame({column.name: _series(column, rows) for column in columns})


def write_csv(document: Document, folder: Path) -> None:
    """Write every table as `NAME.csv`: times in ISO 8601 with nanoseconds, lists as JSON."""
    for name, columns in TABLES.items():
        texts = inert_texts(table(document, name), columns)
        with OutputFile(folder / f"{name}.csv") as file:
            texts.to_csv(file, index=False, mode="wb", encoding="utf-8")


def inert_texts(frame: pd.DataFrame, columns: tuple[Column, ...]) -> pd.DataFrame:
    """`frame` as a CSV file has it: no cell starts like a formula, which spreadsheets run."""
    for column in columns:
        values = frame[column.name].tolist()
        if column.dtype == TIME:
            frame[column.name] = [
                None if time is pd.NaT else iso_time(time.value) for time in values
            ]
        elif any(isinstance(value, list) for value in values):
            frame[column.name] = [json.dumps(value) for value in values]
    return frame.map(_inert)


def write_parquet(document: Document, folder: Path) -> None:
    """Write every table as `NAME.parquet`.

    Raises `PcapleakError` where pyarrow is not installed.
    """
    try:
        import pyarrow  # noqa: F401  pandas asks for it
    except ImportError as error:
        raise PcapleakError(
            "Parquet files need pyarrow; install it with: pip install pyarrow"
        ) from error
    for name in TABLES:
        with OutputFile(folder / f"{name}.parquet") as file:
            table(document, name).to_parquet(file, index=False)


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


def _series(column: Column, rows: Sequence[object]) -> pd.Series[Any]:
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
