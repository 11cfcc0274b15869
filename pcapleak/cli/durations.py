"""Lengths of time as people write them: 90, 1.5s, 5m, 1h30m."""

from __future__ import annotations

import re

import typer

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[dhms])")
_PLAIN = re.compile(r"\d+(\.\d+)?")


def seconds(text: str | float) -> float:
    """The seconds of a length of time; a number alone is seconds.

    Raises `typer.BadParameter` for anything else, negative lengths included.
    """
    written = str(text).strip().lower()
    if _PLAIN.fullmatch(written):
        return float(written)
    parts = _PART.findall(written)
    if not parts or "".join(number + unit for number, unit in parts) != written:
        raise typer.BadParameter(f"'{text}' is no length of time; give 90, 1.5s, 5m or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
