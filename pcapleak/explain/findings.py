"""The kinds of findings in words: `pcapleak explain` and `docs/findings.md`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from textwrap import fill

from pcapleak.judge.findings import KINDS
from pcapleak.values.findings import FindingKind

WIDTH = 80


def find(name: str) -> FindingKind | None:
    """The kind with this identifier or name, in any case."""
    wanted = name.strip().lower()
    return next((kind for kind in KINDS if wanted in (kind.id.lower(), kind.name)), None)


def about(word: str) -> list[FindingKind]:
    """The kinds with this word in their name or, where no name has it, in what raises them."""
    wanted = word.strip().lower()
    named = [kind for kind in KINDS if wanted in kind.name or kind.id.lower().startswith(wanted)]
    return named or [kind for kind in KINDS if wanted in f"{kind.when} {kind.meaning}".lower()]


def index(kinds: Iterable[FindingKind] = KINDS) -> str:
    """One line a finding."""
    return "\n".join(f"{kind.id}  {kind.severity:8}  {kind.name}" for kind in kinds)


def explanation(kind: FindingKind) -> str:
    """All that is known of one kind of finding, as a page of text."""
    parts = [f"{kind.id} {kind.name} ({kind.severity})", fill(kind.when, WIDTH)]
    for title, text in _sections(kind):
        body = fill(
            text,
            WIDTH,
            initial_indent="  ",
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        parts.append(f"{title}\n{body}")
    parts.append("Source\n" + "\n".join(f"  {source}" for source in kind.sources))
    return "\n\n".join(parts)


def _sections(kind: FindingKind) -> Iterator[tuple[str, str]]:
    yield "What it means", kind.meaning
    yield "How to confirm it in Wireshark", kind.confirm
    yield "How to fix it", kind.remedy
    yield "What it cannot tell", kind.weaknesses


def findings_page(kinds: Iterable[FindingKind] = KINDS) -> str:
    """`docs/findings.md`."""
    kinds = list(kinds)
    lines = [
        "# Findings",
        "",
        "Every finding pcapleak can make. Identifiers are stable and never used again.",
        "`pcapleak explain ID` prints the same text. This page is made from the findings by",
        "`make docs`.",
        "",
        "| id | name | severity | when |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| [{kind.id}](#{kind.id.lower()}) | {kind.name} | {kind.severity} | {_md(kind.when)} |"
        for kind in kinds
    ]
    for kind in kinds:
        lines += [
            "",
            f"## {kind.id}",
            "",
            f"**{kind.name}**, {kind.severity}. {_md(kind.when)}",
        ]
        for title, text in _sections(kind):
            lines += ["", f"*{title}.* {_md(text)}"]
        lines += ["", f"*Source.* {'; '.join(kind.sources)}."]
    return "\n".join(lines) + "\n"


def _md(text: str) -> str:
    """`text` with what Markdown would read as markup escaped, but for commands in backticks."""
    prose = re.split(r"(`[^`]+`)", text)
    for number in range(0, len(prose), 2):
        prose[number] = re.sub(r"[\\`*_<>|\[\]]", r"\\\g<0>", prose[number])
    return "".join(prose)
