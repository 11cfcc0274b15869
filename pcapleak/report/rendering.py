"""Templates for pages and pictures: every value is escaped, and what is hostile made harmless."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pcapleak.report import text
from pcapleak.values import words

TEMPLATES = Path(__file__).parent / "writers" / "templates"

MAX_STRING = 400
"""Characters of any text that a page or picture shows."""


@cache
def environment() -> Environment:
    """Templates that escape every value and harmlessly show what is hostile."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=_harmless,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"text": text, "words": words}
    return environment


def _harmless(value: object) -> object:
    if isinstance(value, float):
        return round(value, 1)
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return text.safe(value, MAX_STRING)
