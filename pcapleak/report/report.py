"""`Report`: what `pcapleak.analyze` returns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pcapleak.report.document import CaptureEntry, Document, PolicyEntry, Statistics, Verdict
from pcapleak.report.text import safe
from pcapleak.report.writers import json
from pcapleak.values.words import count

if TYPE_CHECKING:
    from pandas import DataFrame

    from pcapleak.report.drawing import Drawing


class Report:
    """A finished analysis.

    `document` is the whole report as typed values, the same fields the JSON has. The tables
    (`findings`, `flows`, `candidates`, `names`, `sessions`, `resolvers`, `tunnels`,
    `stun`) are pandas DataFrames made when they are asked for; their columns and dtypes are
    those of `pcapleak.report.writers.tables` and the same for an empty report.
    """

    def __init__(self, document: Document) -> None:
        self.document = document

    @property
    def verdict(self) -> Verdict:
        """What it all comes to: `result`, `reason`, `exposed_addresses`."""
        return self.document.verdict

    @property
    def policy(self) -> PolicyEntry:
        """The policy judged by, each field with its source."""
        return self.document.policy

    @property
    def captures(self) -> list[CaptureEntry]:
        """The inputs, with their interfaces."""
        return self.document.captures

    @property
    def statistics(self) -> Statistics:
        """Counts over everything, also what the tables leave out."""
        return self.document.statistics

    @property
    def findings(self) -> DataFrame:
        """One row a finding, worst first."""
        return self._table("findings")

    @property
    def flows(self) -> DataFrame:
        """One row a flow, with the path it took."""
        return self._table("flows")

    @property
    def candidates(self) -> DataFrame:
        """One row an ICE candidate, with its session."""
        return self._table("candidates")

    @property
    def names(self) -> DataFrame:
        """One row a multicast DNS name."""
        return self._table("names")

    @property
    def sessions(self) -> DataFrame:
        """One row an ICE session."""
        return self._table("sessions")

    @property
    def resolvers(self) -> DataFrame:
        """One row a DNS resolver, transport and interface."""
        return self._table("resolvers")

    @property
    def tunnels(self) -> DataFrame:
        """One row a tunnel or proxy seen."""
        return self._table("tunnels")

    @property
    def stun(self) -> DataFrame:
        """One row a STUN message. The captures are read again, so they must still be there;
        `pcapleak.stun_tables` gives the same in pieces, for captures larger than memory."""
        from pcapleak.report.writers.stun_tables import stun_table

        return stun_table([capture.path for capture in self.captures])

    def timeline(self) -> Drawing:
        """A picture of when tunnels were up, and when which leak was seen."""
        from pcapleak.report import pictures

        return pictures.timeline(self.document)

    def topology(self) -> Drawing:
        """A picture of the paths the traffic took."""
        from pcapleak.report import pictures

        return pictures.topology(self.document)

    def candidates_ladder(self) -> Drawing:
        """A picture of how the candidates came about: who told the client what."""
        from pcapleak.report import pictures

        return pictures.ladder(self.document)

    def to_html(self) -> str:
        """One self-contained HTML page."""
        from pcapleak.report.writers.html import to_html

        return to_html(self.document)

    def to_json(self) -> str:
        """The JSON document that `pcapleak schema` describes."""
        return json.to_json(self.document)

    @classmethod
    def from_json(cls, text: str) -> Report:
        """The report in what `to_json` wrote.

        Raises `PcapleakError` where `text` is not one report.
        """
        return cls(json.from_json_one(text))

    def __repr__(self) -> str:
        names = ", ".join(safe(Path(capture.path).name) for capture in self.captures)
        findings = count(len(self.document.findings), "finding")
        return f"<Report {names}: {self.verdict.result}, {findings}>"

    def _repr_html_(self) -> str:
        from pcapleak.report.writers.html import to_html_fragment

        return to_html_fragment(self.document)

    def _table(self, name: str) -> DataFrame:
        from pcapleak.report.writers import tables as frames

        return frames.table(self.document, name)
