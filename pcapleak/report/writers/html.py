"""The report as one self-contained HTML page.

Nothing is loaded and nothing runs: a Content-Security-Policy forbids all but the one style
sheet inside, whose hash it carries. Every value goes through `safe` and then through the
template engine's escaping, both by default and not by remembering.
"""

from __future__ import annotations

import base64
import hashlib

from markupsafe import Markup

from pcapleak.report import pictures
from pcapleak.report.document import Document
from pcapleak.report.rendering import TEMPLATES, environment

# A page stays under 300 kB: 30 findings of 2 kB, 60 candidates of 1 kB, and 250 shorter entries
# of 0.6 kB make 270 kB beside 30 kB of style and pictures, and real entries are half as long.
LIMITS = {
    "findings": 30,
    "sessions": 20,
    "candidates": 60,
    "page_rows": 30,
    "browsers": 20,
    "names": 40,
    "flows": 50,
    "observers": 20,
    "events": 30,
    "malformed": 20,
    "policy": 30,
}
VERDICTS = {
    "leak": "Leak",
    "no-leak": "No leak",
    "inconclusive": "Inconclusive",
    "no-policy": "No policy to judge by",
}


def to_html(document: Document) -> str:
    """The whole page."""
    return render(
        "report.html.j2",
        document=document,
        topology=pictures.topology(document),
        timeline=pictures.timeline(document),
        ladder=pictures.ladder(document) if document.ice_sessions else None,
        limits=LIMITS,
        verdicts=VERDICTS,
    )


def render(name: str, **values: object) -> str:
    """A template of `TEMPLATES` as a page, with the style sheet inside and its hash."""
    style = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    return (
        environment()
        .get_template(name)
        .render(
            style=Markup(style),  # noqa: S704  our own file
            style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
            **values,
        )
    )


def to_html_fragment(document: Document) -> str:
    """A few lines for a notebook: the verdict and the findings."""
    return environment().get_template("notebook.html.j2").render(document=document)
