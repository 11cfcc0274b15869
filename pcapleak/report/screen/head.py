"""The head of a watch's screen: the verdict, and the counters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct, field
from rich.text import Text

from pcapleak.report.document import Document
from pcapleak.report.text import safe
from pcapleak.report.writers.terminal import VERDICTS
from pcapleak.values.words import duration


class Status(Struct):
    """What a screen shows besides the report."""

    source: str
    elapsed_s: float = 0.0
    packets: int = 0
    rate: float = 0.0
    """Packets a second of late."""
    dropped: int = 0
    flows: int = 0
    unrecorded: int = 0
    """Packets that --record left out."""
    notes: list[str] = field(default_factory=list)
    """What went wrong that the watch outlives."""


def page_head(document: Document | None, status: Status, state: Sequence[Text] = ()) -> Text:
    """The verdict with the counters, how the tables are looked at, and why.

    A low terminal shows the first lines only.
    """
    text = Text("\n").join((_verdict(document, status), *state, *_reasons(document)))
    text.append("\n")
    for note in status.notes:
        text.append(f"{safe(note)}\n", style="bold red")
    return text


def _verdict(document: Document | None, status: Status) -> Text:
    word, style = "LISTENING", "bold white on blue"
    if document is not None:
        word, style = VERDICTS[document.verdict.result]
    return Text.assemble((f" {word} ", style), f"  {safe(status.source)}  ", _counters(status))


def _reasons(document: Document | None) -> Iterator[Text]:
    if document is None:
        return
    exposed = ", ".join(safe(address) for address in document.verdict.exposed_addresses[:4])
    if exposed:
        yield Text.assemble(("Exposed  ", "dim"), (exposed, "bold"))
    yield Text.assemble(("Why      ", "dim"), safe(document.verdict.reason, 1000))


def _counters(status: Status) -> Text:
    text = Text(
        f"{duration(int(status.elapsed_s * 1e9))}, {status.packets:,} packets "
        f"({status.rate:,.0f}/s), {status.flows:,} flows, ",
        style="dim",
    )
    text.append(f"{status.dropped:,} lost", style="bold red" if status.dropped else "dim")
    if status.unrecorded:
        text.append(f", {status.unrecorded:,} not recorded", style="bold red")
    return text
