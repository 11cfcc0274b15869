"""The page of one finding, and the remedy that several families share."""

from __future__ import annotations

from typing import NamedTuple

from pcapleak.report.document import Severity


class Entry(NamedTuple):
    """One kind of finding."""

    id: str
    name: str
    severity: Severity
    when: str
    """The rule, in one sentence."""
    meaning: str
    confirm: str
    """How to see it in Wireshark."""
    remedy: str
    sources: tuple[str, ...]
    weaknesses: str
    """What the detector cannot tell."""


FIREWALL_REMEDY = (
    "Turn on the VPN client's kill switch, or drop on the physical interface all that does not "
    "go to the VPN server, such as: nft add rule inet filter output oifname eth0 ip daddr != "
    "VPN_SERVER drop."
)
"""What mends most findings of a VPN, in more than one family."""
