"""How a `Document` becomes plain data and comes back, field by field, from its own types.

One plan a class, read once from the type hints of `document`: the JSON writer, the JSON
reader and the schema all follow it, so none of them can drift from the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache, partial
from types import UnionType
from typing import Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from pcapleak import document
from pcapleak.report.text import iso_time

T = TypeVar("T")


class Kind(NamedTuple):
    """What a field holds: `item` once, or in a list, or in a dictionary by name."""

    container: Literal["one", "list", "dict"]
    item: object
    """A dataclass, `Time`, a `Literal`, or a plain type."""
    optional: bool

    @property
    def is_time(self) -> bool:
        """Written twice: as text, and as an integer under the name with `_ns` appended."""
        return self.item is document.Time


def kinds(cls: type) -> dict[str, Kind]:
    """The fields of a dataclass of `document`, in order."""
    return _kinds(cls)


@cache
def _kinds(cls: type) -> dict[str, Kind]:
    hints = get_type_hints(cls, vars(document))
    return {field.name: _kind(hints[field.name]) for field in fields(cls)}


def _kind(hint: object) -> Kind:
    optional = False
    if get_origin(hint) in (Union, UnionType):
        members = [member for member in get_args(hint) if member is not type(None)]
        assert len(members) == 1, f"a report field has one type, not {hint}"
        hint, optional = members[0], True
    if get_origin(hint) is list:
        return Kind("list", get_args(hint)[0], optional)
    if get_origin(hint) is dict:
        return Kind("dict", get_args(hint)[1], optional)
    return Kind("one", hint, optional)


def to_data(value: object) -> dict[str, Any]:
    """A dataclass of `document` as dictionaries, lists and plain values, in field order."""
    result: dict[str, Any] = {}
    for name, kind in kinds(type(value)).items():
        content = getattr(value, name)
        if kind.is_time:
            result[name] = _each(iso_time, kind, content)
            result[f"{name}_ns"] = content
        elif is_dataclass(kind.item):
            result[name] = _each(to_data, kind, content)
        else:
            result[name] = content
    return result


def from_data(cls: type[T], data: dict[str, Any]) -> T:
    """The inverse of `to_data`.

    Fields this version does not know are left out, fields the data lacks take their default.

    Raises `KeyError`, `TypeError` or `AttributeError` where the data is no such thing.
    """
    values: dict[str, Any] = {}
    for name, kind in kinds(cls).items():
        written = f"{name}_ns" if kind.is_time else name
        if written not in data:
            continue
        if isinstance(kind.item, type) and is_dataclass(kind.item):
            values[name] = _each(partial(from_data, kind.item), kind, data[written])
        else:
            values[name] = data[written]
    return cls(**values)


def _each(convert: Callable[[Any], Any], kind: Kind, content: Any) -> Any:
    if content is None:
        return None
    if kind.container == "list":
        return [convert(item) for item in content]
    if kind.container == "dict":
        return {key: convert(item) for key, item in content.items()}
    return convert(content)
