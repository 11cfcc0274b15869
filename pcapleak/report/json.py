"""The report as JSON text, and back. Two runs over the same capture give the same bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pcapleak.document import Document
from pcapleak.errors import PcapleakError
from pcapleak.report.shape import from_data, to_data


def to_json(documents: Document | Sequence[Document]) -> str:
    """One report as an object, several as an array, ending in a newline.

    Each finding, session, flow and so on has a line of its own. Only ASCII is written, so that
    no string from a packet reaches a terminal as it is.
    """
    if isinstance(documents, Document):
        text = _object(to_data(documents))
    else:
        text = _array([_object(to_data(document)) for document in documents], "")
    # DEL is the one active character that JSON itself leaves as it is.
    return text.replace("\x7f", "\\u007f") + "\n"


def _object(data: dict[str, object]) -> str:
    # Python indents item by item, which takes as long as judging; its C writer has one line.
    lines = (
        f'  "{key}": '
        + (
            _array(list(map(json.dumps, value)), "  ")
            if isinstance(value, list)
            else json.dumps(value)
        )
        for key, value in data.items()
    )
    return "{\n" + ",\n".join(lines) + "\n}"


def _array(items: list[str], margin: str) -> str:
    if not items:
        return "[]"
    return "[\n" + ",\n".join(f"{margin}  {item}" for item in items) + f"\n{margin}]"


def from_json(text: str) -> list[Document]:
    """The reports in what `to_json` wrote, one or several.

    Raises `PcapleakError` where `text` is not such a report.
    """
    try:
        data = json.loads(text)
        entries = data if isinstance(data, list) else [data]
        return [from_data(Document, entry) for entry in entries]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PcapleakError(
            f"this is not a pcapleak report ({error}); give a file written by --json"
        ) from error


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
