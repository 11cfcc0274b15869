"""What a watch tells while it runs, one JSON object a line (docs/events.md)."""

from __future__ import annotations

import json
from typing import Any

from msgspec import Struct

from pcapleak.report.document import (
    Finding,
    FlowEntry,
    IceSession,
    MdnsName,
    PolicyEntry,
    Time,
    TimelineEvent,
    Verdict,
)
from pcapleak.report.json_schema import define
from pcapleak.report.shape import to_data
from pcapleak.report.update import Update

EVENTS_VERSION = "1.0"


class StartEvent(Struct):
    """The watch begins: what it sees and judges by."""

    time: Time
    source: str
    interfaces: list[str]
    policy: list[str]


class FindingEvent(Struct):
    """A finding, when it is first made."""

    time: Time
    finding: Finding


class FlowEvent(Struct):
    """A flow that goes past the tunnel or proxy, when it is first seen to."""

    time: Time
    flow: FlowEntry


class SessionEvent(Struct):
    """A WebRTC session, when it is first seen; candidates that come later are in the report."""

    time: Time
    session: IceSession


class NameEvent(Struct):
    """A name announced by multicast DNS, when it is first seen."""

    time: Time
    name: MdnsName


class TimelineEntryEvent(Struct):
    """A tunnel or an interface changed: the report's timeline as it grows."""

    time: Time
    entry: TimelineEvent


class VerdictEvent(Struct):
    """The verdict, or the list of exposed addresses, is new."""

    time: Time
    verdict: Verdict
    policy: PolicyEntry


class StatusEvent(Struct):
    """Counters, every few seconds."""

    time: Time
    packets: int
    dropped: int
    flows: int
    findings: int
    unrecorded: int = 0
    flows_untold: int = 0


class EndEvent(Struct):
    """The watch is over."""

    time: Time
    reason: str
    packets: int
    dropped: int
    verdict: Verdict
    unrecorded: int = 0
    flows_untold: int = 0


EVENTS: dict[str, type] = {
    "start": StartEvent,
    "finding": FindingEvent,
    "flow": FlowEvent,
    "session": SessionEvent,
    "name": NameEvent,
    "timeline": TimelineEntryEvent,
    "verdict": VerdictEvent,
    "status": StatusEvent,
    "end": EndEvent,
}
"""By what `event` says."""

_NAMES = {kind: name for name, kind in EVENTS.items()}


def event_line(event: Struct) -> str:
    """An event as one line of ASCII, its newline included."""
    data = {"event": _NAMES[type(event)], "version": EVENTS_VERSION, **to_data(event)}
    return json.dumps(data, ensure_ascii=True).replace("\x7f", "\\u007f") + "\n"


def update_events(update: Update, now_ns: int) -> list[Struct]:
    """The events of one judgement, the verdict last."""
    now = Time(now_ns)
    events: list[Struct] = [TimelineEntryEvent(now, entry) for entry in update.events]
    events += [SessionEvent(now, session) for session in update.sessions]
    events += [NameEvent(now, name) for name in update.names]
    events += [FlowEvent(now, flow) for flow in update.flows]
    events += [FindingEvent(now, finding) for finding in update.findings]
    if update.verdict_changed:
        events.append(VerdictEvent(now, update.document.verdict, update.document.policy))
    return events


def events_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of one line; later versions may add properties and events."""
    definitions: dict[str, Any] = {}
    choices = []
    for name, kind in EVENTS.items():
        define(kind, definitions)
        definition = definitions[kind.__name__]
        definition["properties"] = {
            "event": {"const": name},
            "version": {"type": "string"},
            **definition["properties"],
        }
        definition["required"] = list(definition["properties"])
        choices.append({"$ref": f"#/$defs/{kind.__name__}"})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"pcapleak live event {EVENTS_VERSION}",
        "oneOf": choices,
        "$defs": dict(sorted(definitions.items())),
    }
