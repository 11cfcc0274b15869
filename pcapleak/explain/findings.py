"""The catalogue of findings in words: `pcapleak explain` and `docs/findings.md`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from textwrap import fill

from pcapleak.judge.findings.catalogue import ENTRIES, Entry

WIDTH = 80


def find(name: str) -> Entry | None:
    """The entry with this identifier or name, in any case."""
    wanted = name.strip().lower()
    return next((entry for entry in ENTRIES if wanted in (entry.id.lower(), entry.name)), None)


def index() -> str:
    """One line a finding."""
    return "\n".join(f"{entry.id}  {entry.severity:8}  {entry.name}" for entry in ENTRIES)


def explanation(entry: Entry) -> str:
    """All that is known of one kind of finding, as a page of text."""
    parts = [f"{entry.id} {entry.name} ({entry.severity})", fill(entry.when, WIDTH)]
    for title, text in _sections(entry):
        body = fill(
            text,
            WIDTH,
            initial_indent="  ",
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        parts.append(f"{title}\n{body}")
    parts.append("Source\n" + "\n".join(f"  {source}" for source in entry.sources))
    return "\n\n".join(parts)


def _sections(entry: Entry) -> Iterator[tuple[str, str]]:
    yield "What it means", entry.meaning
    yield "How to confirm it in Wireshark", entry.confirm
    yield "How to fix it", entry.remedy
    yield "What it cannot tell", entry.weaknesses


def findings_page(entries: Iterable[Entry] = ENTRIES) -> str:
    """`docs/findings.md`."""
    entries = list(entries)
    lines = [
        "# Findings",
        "",
        "Every finding pcapleak can make. Identifiers are stable and never used again.",
        "`pcapleak explain ID` prints the same text. This page is made from the catalogue by",
        "`make docs`.",
        "",
        "| id | name | severity | when |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| [{entry.id}](#{entry.id.lower()}) | {entry.name} | {entry.severity} |"
        f" {_md(entry.when)} |"
        for entry in entries
    ]
    for entry in entries:
        lines += [
            "",
            f"## {entry.id}",
            "",
            f"**{entry.name}**, {entry.severity}. {_md(entry.when)}",
        ]
        for title, text in _sections(entry):
            lines += ["", f"*{title}.* {_md(text)}"]
        lines += ["", f"*Source.* {'; '.join(entry.sources)}."]
    return "\n".join(lines) + "\n"


def _md(text: str) -> str:
    """`text` with what Markdown would read as markup escaped."""
    for character in "\\`*_<>|[]":
        text = text.replace(character, f"\\{character}")
    return text
