"""pcapleak shows WebRTC, DNS, IPv6 and other leaks past a VPN or proxy, from packets alone.

    >>> import pcapleak
    >>> report = pcapleak.analyze("capture.pcapng")
    >>> report.verdict.result, report.findings

Everything here is loaded when it is first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pcapleak.capture import open_capture
    from pcapleak.errors import CaptureError, PcapleakError, PolicyError
    from pcapleak.pipeline.analyze import analyze
    from pcapleak.pipeline.analyzer import Analyzer
    from pcapleak.policy.policy import Policy
    from pcapleak.report.document import Candidate, Document, Finding, IceSession, MdnsName, Verdict
    from pcapleak.report.json_schema import schema
    from pcapleak.report.report import Report
    from pcapleak.report.writers.stun_tables import stun_tables

__version__ = "0.1.0"

__all__ = [
    "Analyzer",
    "Candidate",
    "CaptureError",
    "Document",
    "Finding",
    "IceSession",
    "MdnsName",
    "PcapleakError",
    "Policy",
    "PolicyError",
    "Report",
    "Verdict",
    "analyze",
    "open_capture",
    "schema",
    "stun_tables",
]

_HOME = {
    "Analyzer": "pipeline.analyzer",
    "Candidate": "report.document",
    "CaptureError": "errors",
    "Document": "report.document",
    "Finding": "report.document",
    "IceSession": "report.document",
    "MdnsName": "report.document",
    "PcapleakError": "errors",
    "Policy": "policy.policy",
    "PolicyError": "errors",
    "Report": "report.report",
    "Verdict": "report.document",
    "analyze": "pipeline.analyze",
    "open_capture": "capture",
    "schema": "report.json_schema",
    "stun_tables": "report.writers.stun_tables",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'pcapleak' has no attribute {name!r}")
    value = getattr(import_module(f"pcapleak.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
