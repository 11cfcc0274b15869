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
    from pcapleak.analyzer import Analyzer
    from pcapleak.api import analyze
    from pcapleak.capture import open_capture
    from pcapleak.document import Candidate, Document, Finding, IceSession, MdnsName, Verdict
    from pcapleak.errors import CaptureError, PcapleakError, PolicyError
    from pcapleak.policy import Policy
    from pcapleak.report.report import Report
    from pcapleak.report.schema import schema
    from pcapleak.report.stun import stun_tables

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
    "Analyzer": "analyzer",
    "Candidate": "document",
    "CaptureError": "errors",
    "Document": "document",
    "Finding": "document",
    "IceSession": "document",
    "MdnsName": "document",
    "PcapleakError": "errors",
    "Policy": "policy",
    "PolicyError": "errors",
    "Report": "report.report",
    "Verdict": "document",
    "analyze": "api",
    "open_capture": "capture",
    "schema": "report.schema",
    "stun_tables": "report.stun",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'pcapleak' has no attribute {name!r}")
    value = getattr(import_module(f"pcapleak.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
