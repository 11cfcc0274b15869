"""What the tests of sessions share."""

from __future__ import annotations

from pathlib import Path

from pcapleak.capture import open_capture
from pcapleak.pipeline.analyzer import Analyzer
from pcapleak.report.document import IceSession
from pcapleak.report.webrtc import session_entry
from pcapleak.track.state import CaptureFacts, State
from pcapleak.values.packets import Interface


def state_of(path: Path) -> State:
    """All that is known after reading a capture."""
    interfaces: list[Interface] = []
    with open_capture(path, interfaces=interfaces) as source:
        analyzer = Analyzer(None, interfaces)
        analyzer.state.captures.append(CaptureFacts(str(path), source.format))
        for batch in source:
            analyzer.add(batch)
    return analyzer.state


def sessions_of(path: Path) -> list[IceSession]:
    """The ICE sessions of a capture, as the report has them."""
    state = state_of(path)
    return [session_entry(one, state.interfaces) for one in state.ice.sessions(state)]
