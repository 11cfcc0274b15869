"""What ICE's other fields mean: networks and their cost, user names, passwords."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from pcapleak.decode.stun.values import NetworkInfo

WILDCARD_COST = 999
"""libwebrtc's cost of the network that stands for every interface."""

_COSTS = {
    0: "Ethernet or loopback",
    10: "Wi-Fi",
    50: "an adapter of unknown type",
    250: "5G",
    500: "4G",
    900: "cellular",
    910: "3G",
    980: "2G",
    WILDCARD_COST: "the wildcard network: no interface was enumerated",
}
"""libwebrtc's rtc_base/network_constants.h and network.cc, ComputeNetworkCostByType."""


def network_cost_meaning(cost: int) -> str:
    """What libwebrtc's network cost says of the adapter.

    A VPN adds one and a network slice takes two away, where those field trials are on.
    """
    if cost in _COSTS:
        return _COSTS[cost]
    if cost - 1 in _COSTS:
        return f"{_COSTS[cost - 1]}, through a VPN"
    if cost + 2 in _COSTS:
        return f"{_COSTS[cost + 2]}, a network slice"
    if cost + 1 in _COSTS:
        return f"{_COSTS[cost + 1]}, a network slice through a VPN"
    return "no known cost"


def network_meaning(info: NetworkInfo) -> str:
    """GOOG-NETWORK-INFO in words: which of the sender's networks, over what."""
    if info.id == 0:
        return f"no enumerated network; {network_cost_meaning(info.cost)}"
    return f"the sender's network {info.id}; {network_cost_meaning(info.cost)}"


def username_fragments(username: str) -> tuple[str, str] | None:
    """(receiver's, sender's) fragment of a check's USERNAME (RFC 8445 section 7.2.2)."""
    receiver, colon, sender = username.partition(":")
    if not (receiver and colon and sender) or ":" in sender:
        return None
    return receiver, sender


_SDP = re.compile(rb"ice-(ufrag|pwd):([A-Za-z0-9+/]{4,256})")


def ice_passwords(text: bytes) -> dict[str, str]:
    """The passwords of a description by username fragment: SDP's (RFC 8839 section 5.4), plain,
    in JSON or in a form's field. Of half a description nothing can be told."""
    if b"pwd" not in text:
        return {}
    if b"ice-pwd%3" in text:
        text = unquote_to_bytes(text)
    text = text.replace(b"\\/", b"/")
    parts = _SDP.findall(text)
    fragments = [value.decode() for name, value in parts if name == b"ufrag"]
    passwords = [value.decode() for name, value in parts if name == b"pwd"]
    return dict(zip(fragments, passwords, strict=True)) if len(fragments) == len(passwords) else {}
