"""The scenarios of WebRTC stacks that are no browsers. A VPN was expected and never came up."""

from __future__ import annotations

from typing import Any

from . import other_stacks as stories
from .browser_scenarios import EXPECTED
from .expected import found
from .network import PUBLIC
from .recording import Scenario
from .session import Lab

_LEAK: dict[str, Any] = {
    "leak": True,
    "exposed_addresses": [PUBLIC],
    "engine": "other",
    **found("PL101", "PL102"),
}
_SAYING = ("libdatachannel", "webrtcbin")
"""Those whose requests to a server have an attribute of their own."""
_NAMES = {"webrtcbin": "GStreamer's webrtcbin"}


def _offer(stack: str, *, connect: bool) -> Scenario:
    said = "reaches a Chromium on the internet" if connect else "gathers, and calls nobody"

    def play(lab: Lab) -> None:
        stories.offer(lab, stack, connect=connect)

    return Scenario(
        f"{stack}-call" if connect else stack,
        f"no browser: {_NAMES.get(stack, stack)} {said}",
        play,
        EXPECTED,
        _LEAK if connect or stack in _SAYING else {**_LEAK, "engine": "unknown"},
        settle_s=1,
    )


STACKS = (
    *(_offer(stack, connect=connect) for stack in stories.STACKS for connect in (False, True)),
    Scenario(
        "qtwebengine",
        "the leak page in QtWebEngine",
        stories.qtwebengine,
        EXPECTED,
        {**_LEAK, "engine": "chromium", "mode": 2},
    ),
    Scenario(
        "turn-client",
        "no browser: coturn's TURN client sends to a peer through a relay",
        stories.turn_client,
        EXPECTED,
        {**_LEAK, "not_read": ["host", "srflx"]},
        settle_s=1,
    ),
    Scenario(
        "baresip",
        "no browser: baresip calls another on the internet, by SIP in clear and ICE",
        stories.baresip,
        EXPECTED,
        _LEAK,
        settle_s=1,
    ),
)
