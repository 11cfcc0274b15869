"""The report as JSON text, and back. Two runs over the same capture give the same bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pcapleak.errors import PcapleakError
from pcapleak.report.document import Document
from pcapleak.report.shape import from_data, to_data

MAX_REPORT = 1 << 29
"""Bytes of a report that is read back: with every flow of ten million packets one has a tenth."""


def to_json(documents: Document | Sequence[Document]) -> str:
    """One report as an object, several as an array, ending in a newline.

    Each finding, session, flow and so on has a line of its own. Only ASCII is written, so that
    no string from a packet reaches a terminal as it is.
    """
    if isinstance(documents, Document):
        parts = _object(to_data(documents))
    else:
        parts = _array(("".join(_object(to_data(document))) for document in documents), "")
    # DEL is the one active character that JSON itself leaves as it is.
    return "".join((*parts, "\n")).replace("\x7f", "\\u007f")


# Python indents item by item, which takes as long as judging; its C writer has one line.
# A report is a tree, which need not be searched for circles.
_line = json.JSONEncoder(check_circular=False).encode


def _object(data: dict[str, object]) -> Iterator[str]:
    before = "{\n"
    for key, value in data.items():
        yield f'{before}  "{key}": '
        if isinstance(value, list):
            yield from _array(map(_line, value), "  ")
        else:
            yield _line(value)
        before = ",\n"
    yield "\n}"


def _array(items: Iterable[str], margin: str) -> Iterator[str]:
    before = "["
    for item in items:
        yield f"{before}\n{margin}  "
        yield item
        before = ","
    yield "[]" if before == "[" else f"\n{margin}]"


def from_json(text: str) -> list[Document]:
    """The reports in what `to_json` wrote, one or several.

    Raises `PcapleakError` where `text` is not such a report.
    """
    try:
        data = json.loads(text)
        entries = data if isinstance(data, list) else [data]
        return [from_data(Document, entry) for entry in entries]
    # A hostile file may nest deeper than Python follows.
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PcapleakError(
            f"this is not a pcapleak report ({error}); give a file written with --json"
        ) from error


def read_reports(path: Path) -> list[Document]:
    """The reports in a file. Raises `PcapleakError` naming the file."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_REPORT + 1)
        if len(content) > MAX_REPORT:
            raise PcapleakError(f"larger than {MAX_REPORT:,} bytes; no report is")
        return from_json(content.decode())
    except OSError as error:
        raise PcapleakError(
            f"{path}: cannot be read ({error.strerror}); give a file written with --json"
        ) from error
    except UnicodeDecodeError as error:
        raise PcapleakError(
            f"{path}: is not text, so it is no report; give a file written with --json"
        ) from error
    except PcapleakError as error:
        raise PcapleakError(f"{path}: {error}") from error


def from_json_one(text: str) -> Document:
    """The report in `text`, which must hold exactly one.

    Raises `PcapleakError` otherwise.
    """
    documents = from_json(text)
    if len(documents) != 1:
        raise PcapleakError(
            f"this holds {len(documents)} reports where one is needed; write each to its own file"
        )
    return documents[0]
