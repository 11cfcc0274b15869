"""How a `Document` becomes plain data and comes back, field by field, from its own types.

One plan a class, read once from the type hints of `document`: the JSON writer, the JSON
reader and the schema all follow it, so none of them can drift from the others.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import cache, partial
from operator import attrgetter
from types import UnionType
from typing import (
    Any,
    Literal,
    NamedTuple,
    TypeGuard,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from msgspec import Struct

from pcapleak.report import document
from pcapleak.report.text import iso_time

T = TypeVar("T", bound=Struct)


class Kind(NamedTuple):
    """What a field holds: `item` once, or in a list, or in a dictionary by name."""

    container: Literal["one", "list", "dict"]
    item: object
    """A class, `Time`, a `Literal`, an `Enum` of words, or a plain type."""
    optional: bool

    @property
    def is_time(self) -> bool:
        """Written twice: as text, and as an integer under the name with `_ns` appended."""
        return self.item is document.Time


def kinds(cls: type[Struct]) -> dict[str, Kind]:
    """The fields of a class of `document`, in order."""
    return _kinds(cls)


@cache
def _kinds(cls: type[Struct]) -> dict[str, Kind]:
    hints = get_type_hints(cls)
    return {name: _kind(hints[name]) for name in cls.__struct_fields__}


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


class _Plan(NamedTuple):
    """How a class is written."""

    names: tuple[str, ...]
    """Of what is written, in order."""
    read: Callable[[Struct], tuple[Any, ...]]
    """Gives the content of all of them at once."""
    converted: tuple[tuple[str, Callable[[Any], Any]], ...]
    """Those that are not written as they are."""


def to_data(value: Struct) -> dict[str, Any]:
    """A value of `document` as dictionaries, lists and plain values, in field order."""
    names, read, converted = _plan(type(value))
    result = dict(zip(names, read(value), strict=True))
    for name, convert in converted:
        content = result[name]
        if content is not None:
            result[name] = convert(content)
    return result


@cache
def _plan(cls: type[Struct]) -> _Plan:
    names: list[str] = []
    contents: list[str] = []
    converted: list[tuple[str, Callable[[Any], Any]]] = []
    for name, kind in kinds(cls).items():
        names.append(name)
        contents.append(name)
        if kind.is_time:
            names.append(f"{name}_ns")
            contents.append(name)
            converted.append((name, _each(iso_time, kind)))
        elif is_struct(kind.item):
            converted.append((name, _each(to_data, kind)))
    assert len(contents) > 1, "of one name alone attrgetter gives no tuple"
    return _Plan(tuple(names), attrgetter(*contents), tuple(converted))


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
        content = data[written]
        if content is not None and is_struct(kind.item):
            content = _each(partial(from_data, kind.item), kind)(content)
        elif isinstance(kind.item, type) and issubclass(kind.item, Enum):
            content = kind.item(content)
        values[name] = content
    return cls(**values)


def is_struct(item: object) -> TypeGuard[type[Struct]]:
    """Whether a field holds values of a class of `document`."""
    return isinstance(item, type) and issubclass(item, Struct) and item is not Struct


def _each(convert: Callable[[Any], Any], kind: Kind) -> Callable[[Any], Any]:
    """Converts what a field of this kind holds by converting each item."""
    if kind.container == "list":
        return lambda content: [convert(item) for item in content]
    if kind.container == "dict":
        return lambda content: {key: convert(item) for key, item in content.items()}
    return convert
