"""Templates for pages and pictures: every value is escaped, and what is hostile made harmless."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from pcapleak.report import text
from pcapleak.values import words

TEMPLATES = Path(__file__).parent / "writers" / "templates"

MAX_STRING = 400
"""Characters of any text that a page or picture shows."""

MAX_PROSE = 2000
"""Characters of a paragraph of ours, such as the reason of a verdict."""

_COMMAND = re.compile(r"`([^`]+)`")


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
    environment.filters |= {"prose": _prose, "commands": _commands}
    return environment


def _prose(value: str) -> Markup:
    """A paragraph that is longer than a stranger's text may be."""
    return escape(text.safe(value, MAX_PROSE))


def _commands(value: str) -> Markup:
    """A remedy, with commands in backticks as such: only its words are ours, so it alone has any.

    It is escaped before a tag is made.
    """
    return Markup(_COMMAND.sub(r"<code>\1</code>", str(_prose(value))))  # noqa: S704


def _harmless(value: object) -> object:
    if isinstance(value, float):
        return round(value, 1)
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return text.safe(value, MAX_STRING)
