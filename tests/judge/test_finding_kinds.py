"""Every finding is one whole file: its kind, all its words, who observes it, and its rule."""

from __future__ import annotations

import re
from importlib import import_module
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path

import pytest

import pcapleak.judge.findings as findings
from pcapleak.judge.finding_builder import make
from pcapleak.judge.findings import COHERENCE, KINDS, RULES
from pcapleak.values.evidence import NO_EVIDENCE, weakest
from pcapleak.values.findings import FindingKind, Severity

SEVERITIES = {
    "PL101": "critical", "PL102": "high", "PL103": "high", "PL104": "critical",
    "PL105": "medium", "PL106": "medium", "PL107": "medium",
    "PL201": "high", "PL202": "high", "PL203": "high", "PL204": "high", "PL205": "high",
    "PL206": "high", "PL207": "medium", "PL208": "high", "PL209": "medium",
    "PL210": "high",
    "PL301": "low", "PL302": "medium", "PL303": "medium", "PL304": "medium",
    "PL401": "medium", "PL402": "medium", "PL403": "medium", "PL404": "medium",
    "PL405": "medium", "PL406": "low", "PL407": "medium",
    "PL501": "high", "PL502": "medium", "PL503": "medium", "PL504": "medium", "PL901": "info",
}  # fmt: skip
FILES = sorted(
    path.stem for path in Path(findings.__file__).parent.glob("*.py") if path.name != "__init__.py"
)


def test_identifiers_and_severities_are_stable() -> None:
    assert {kind.id: kind.severity for kind in KINDS} == SEVERITIES
    assert len({kind.name for kind in KINDS}) == len(KINDS)


def test_the_tuples_hold_every_file_once() -> None:
    modules = [import_module(f"pcapleak.judge.findings.{name}") for name in FILES]
    assert sorted(map(id, (*RULES, *COHERENCE))) == sorted(map(id, modules))


@pytest.mark.parametrize("name", FILES)
def test_a_finding_is_the_file_of_its_name(name: str) -> None:
    module = import_module(f"pcapleak.judge.findings.{name}")
    assert module.KIND.name.replace("-", "_") == name
    assert (module.__doc__ or "").startswith(f"{module.KIND.id}: ")
    assert callable(module.find)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.id)
def test_no_finding_lacks_a_part(kind: FindingKind) -> None:
    assert re.fullmatch(r"PL\d{3}", kind.id)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", kind.name)
    for text in (kind.when, kind.meaning, kind.confirm, kind.remedy, kind.weaknesses):
        assert len(text) > 20
        assert text.endswith(".")
        assert "  " not in text
    assert kind.sources
    # What the recording lacks shows nothing to anybody.
    assert bool(kind.observers.through) == bool(kind.observers.learned_by) == (kind.id != "PL901")


def test_only_what_is_outside_makes_a_leak() -> None:
    for kind in KINDS:
        if kind.is_leak or kind.exposes or kind.has_causes:
            assert kind.id.startswith(("PL1", "PL2"))
        if kind.is_leak:
            assert kind.severity >= Severity.HIGH


def test_severities_are_ordered_and_written_as_words() -> None:
    worst_first = list(Severity)
    assert [str(one) for one in worst_first] == ["critical", "high", "medium", "low", "info"]
    for worse, milder in pairwise(worst_first):
        assert worse > milder
        assert worse >= milder
        assert milder < worse
        assert milder <= worse
        assert sorted([milder, worse]) == [milder, worse]
    assert Severity.HIGH >= Severity.HIGH
    assert Severity.HIGH <= Severity.HIGH


def test_a_conclusion_is_as_sure_as_the_weakest_of_what_it_rests_on() -> None:
    assert weakest("certain", "medium", "high") == "medium"


def test_a_finding_of_lower_severity_than_its_kind_is_no_leak_but_exposes() -> None:
    kind = next(kind for kind in KINDS if kind.id == "PL204")
    words = {"subject": "a", "message": "b", "interface": None, "display_filter": "tcp"}
    address = ip_address("198.51.100.7")
    leak = make(kind, evidence=NO_EVIDENCE, addresses=[address, address], **words)
    told = make(kind, evidence=NO_EVIDENCE, severity=Severity.INFO, addresses=[address], **words)
    assert leak.is_leak
    assert not told.is_leak
    assert leak.exposes == told.exposes == (address,)
    assert sorted([told, leak], key=lambda finding: finding.rank) == [leak, told]
