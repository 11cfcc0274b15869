"""The published JSON Schema of the report, made from `document` itself."""

from __future__ import annotations

import ast
import inspect
from enum import Enum
from functools import cache
from typing import Any, Literal, get_args, get_origin

from msgspec import Struct

from pcapleak.report import document
from pcapleak.report.shape import Kind, is_struct, kinds

_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean"}
_TIME_PATTERN = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$"


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of what `analyze --json` writes for one report.

    It stays open: later versions may add properties, never rename or remove them.
    """
    definitions: dict[str, Any] = {}
    define(document.Document, definitions)
    root = definitions.pop("Document")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"pcapleak report {document.SCHEMA_VERSION}",
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def define(cls: type[Struct], definitions: dict[str, Any]) -> None:
    """Add the schema of a class of the report, and of those it holds, to `definitions`."""
    if cls.__name__ in definitions:
        return
    definitions[cls.__name__] = {}
    properties: dict[str, Any] = {}
    notes = field_notes().get(cls.__name__, {})
    for name, kind in kinds(cls).items():
        properties[name] = _property(kind, definitions)
        if name in notes:
            properties[name]["description"] = notes[name]
        if kind.is_time:
            properties[f"{name}_ns"] = _wrap(
                kind, {"type": "integer", "description": "Nanoseconds since the epoch"}
            )
    definition: dict[str, Any] = {"type": "object"}
    if cls.__doc__:
        definition["description"] = inspect.cleandoc(cls.__doc__)
    definition["properties"] = properties
    definition["required"] = list(properties)
    definitions[cls.__name__] = definition


def _property(kind: Kind, definitions: dict[str, Any]) -> dict[str, Any]:
    item = kind.item
    if kind.is_time:
        return _wrap(kind, {"type": "string", "pattern": _TIME_PATTERN})
    if is_struct(item):
        define(item, definitions)
        return _wrap(kind, {"$ref": f"#/$defs/{item.__name__}"})
    if get_origin(item) is Literal:
        return _wrap(kind, {"enum": list(get_args(item))})
    if isinstance(item, type) and issubclass(item, Enum):
        return _wrap(kind, {"enum": [word.value for word in item]})
    assert isinstance(item, type), f"no schema for {item}"
    return _wrap(kind, {"type": _PLAIN[item]})


def _wrap(kind: Kind, item: dict[str, Any]) -> dict[str, Any]:
    if kind.container == "list":
        item = {"type": "array", "items": item}
    elif kind.container == "dict":
        item = {"type": "object", "additionalProperties": item}
    return {"anyOf": [item, {"type": "null"}]} if kind.optional else item


@cache
def field_notes() -> dict[str, dict[str, str]]:
    """What `document` says of its fields, by class and field."""
    notes: dict[str, dict[str, str]] = {}
    classes = [cls for cls in vars(document).values() if is_struct(cls)]
    for cls in classes:
        (node,) = ast.parse(inspect.getsource(cls)).body
        assert isinstance(node, ast.ClassDef)
        for before, after in zip(node.body, node.body[1:], strict=False):
            if (
                isinstance(before, ast.AnnAssign)
                and isinstance(before.target, ast.Name)
                and isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
            ):
                text = inspect.cleandoc(str(after.value.value)).replace("\n", " ")
                notes.setdefault(node.name, {})[before.target.id] = text
    return notes
