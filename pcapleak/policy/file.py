"""A policy as a TOML file: the keys, their checks, and a commented template."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pcapleak.errors import PolicyError
from pcapleak.policy.fields import Field, read_texts, rows

_Owner = TypeVar("_Owner")

MAX_BYTES = 1_000_000
"""A policy file's size: one with a thousand tunnels has a tenth."""


def read_policy(owner: type[_Owner], path: Path) -> _Owner:
    """The policy, a dataclass of rows, in a TOML file. Raises `PolicyError`."""
    import tomllib  # no analysis without a policy file waits for it

    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise PolicyError(f"{path}: larger than {MAX_BYTES:,} bytes; no policy is")
        data = tomllib.loads(content.decode())
    except OSError as error:
        raise PolicyError(
            f"{path}: cannot be read ({error.strerror}); "
            "`pcapleak policy init` writes one to begin with"
        ) from error
    except UnicodeDecodeError as error:
        raise PolicyError(
            f"{path}: is not text; `pcapleak policy init` shows the form of a policy"
        ) from error
    # tomllib fails at deep nesting by recursion, and at numbers of thousands of digits.
    except (ValueError, RecursionError) as error:
        raise PolicyError(
            f"{path}: not TOML ({error}); `pcapleak policy init` shows the form"
        ) from error
    try:
        return owner(**read_keys(owner, data, "", path.parent))
    except PolicyError as error:
        raise PolicyError(f"{path}: {error}") from error


def _keys(owner: type) -> dict[str, tuple[str, Field]]:
    """The attribute and row behind each key."""
    return {row.key or name: (name, row) for name, row in rows(owner).items() if not row.word_of}


def read_keys(
    owner: type, data: Mapping[str, Any], place: str, folder: Path, *, whole: type | None = None
) -> dict[str, Any]:
    """The attributes that a table gives.

    `place` is the table's name with a dot, for errors, and `whole` what the table is a part of.
    """
    keys = _keys(owner)
    values: dict[str, Any] = {}
    for key, given in data.items():
        where = f"{place}{key}"
        if key not in keys:
            hint = (
                f"; `{key}` belongs above the first [[table]]"
                if whole is not None and key in _keys(whole)
                else ""
            )
            raise PolicyError(f"{where}: no such key; the keys here are {', '.join(keys)}{hint}")
        attribute, row = keys[key]
        if row.table is not None:
            values[attribute] = tuple(
                row.table.from_keys(  # type: ignore[attr-defined]  # every table has it
                    read_keys(
                        row.table,
                        _table(entry, f"{where}[{i}]"),
                        f"{where}[{i}].",
                        folder,
                        whole=whole or owner,
                    ),
                    f"{where}[{i}]",
                )
                for i, entry in enumerate(_list(given, f"{where}: must be a list; write [[{key}]]"))
            )
        elif row.parse is None:
            if not isinstance(given, bool):
                raise PolicyError(f"{where}: must be true or false, not {given!r}")
            values[attribute] = given
        else:
            values |= read_texts(owner, attribute, _texts(row, given, where, folder), where)
    return values


def _texts(row: Field, given: object, where: str, folder: Path) -> list[str]:
    form = f'{where}: must be a list; write {where} = ["..."]'
    texts = []
    for text in _list(given, form) if row.many else [given]:
        if not isinstance(text, str):
            raise PolicyError(f"{where}: must be text in quotes, not {text!r}")
        texts.append(str(folder / text) if row.paths else text)
    return texts


def _list(given: object, problem: str) -> list[Any]:
    if not isinstance(given, list):
        raise PolicyError(problem)
    return given


def _table(given: object, where: str) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise PolicyError(f"{where}: must be a table; write [[{where.partition('[')[0]}]]")
    return given


def policy_template(owner: type) -> str:
    """A policy file with every key, each explained and commented out."""
    keys = _keys(owner)
    lines = [INTRODUCTION]
    for key, (_, row) in keys.items():
        if row.table is None:
            switched = "" if row.parse else f"{str(not row.default).lower()}: "
            lines += [_comment(switched + row.help), f"#{key} = {row.example}", ""]
    for key, (_, row) in keys.items():
        if row.table is not None:
            lines += [_comment(row.help), f"#[[{key}]]"]
            inner = _keys(row.table)
            width = max(len(f"{name} = {cell.example}") for name, (_, cell) in inner.items())
            lines += [
                f"#{f'{name} = {cell.example}':{width}}  # {cell.help}"
                for name, (_, cell) in inner.items()
            ]
            lines.append("")
    return "\n".join(lines)


def _comment(text: str) -> str:
    return textwrap.fill(text, 98, initial_indent="# ", subsequent_indent="# ")


INTRODUCTION = """\
# What this host's traffic is meant to do: pcapleak judges captures by it.
#   pcapleak analyze capture.pcapng --policy policy.toml
# Anything left out is inferred from the capture, and the report says what was found.
# Paths are relative to this file's folder.
"""
