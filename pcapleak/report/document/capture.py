"""What was read and what it was judged by, in the report."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from pcapleak.report.document.values import Role, Time
from pcapleak.values.evidence import Confidence


class Generator(Struct):
    name: str
    """`pcapleak`."""
    version: str
    """The version of the program that wrote the report."""
    options: list[str] = field(default_factory=list)
    """What was asked for beside the policy and changes what the report holds: `all-flows`,
    `key-log`, `page NAME`."""


class InterfaceEntry(Struct):
    id: int
    """Its number in the capture, counted over all captures of the report."""
    name: str | None
    link_type: str
    """As Wireshark names it (ETHERNET, RAW, LINUX_SLL2)."""
    packets: int
    """Packets recorded on it."""
    role: Role = "unknown"
    """What it is, as far as the capture tells."""
    role_reason: str = ""
    """Why that is believed."""
    addresses: list[str] = field(default_factory=list)
    """Its own addresses with prefix length, where the capture names them."""
    drops: int | None = None
    """Packets the recorder says it lost."""
    description: str | None = None
    """What the recorder says it is."""
    hardware: str | None = None
    """The device, as the recorder describes it."""
    system: str | None = None
    """The operating system of its machine."""
    mac: str | None = None
    """Its own link-layer address."""
    filter: str | None = None
    """The capture filter that its packets had to pass."""


class CaptureEntry(Struct):
    path: str
    """As it was given."""
    format: str
    """pcap, pcapng, ..."""
    packets: int
    """Records read."""
    bytes: int
    """Bytes of the file that were read."""
    first_time: Time | None
    """Time of the earliest packet."""
    last_time: Time | None
    """Time of the latest packet."""
    truncated: bool
    """The file ends in the middle of a record."""
    interfaces: list[InterfaceEntry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What was wrong with the file, one sentence each."""
    sha256: str | None = None
    """Of the file as it is, in hexadecimal; None for a stream or a watch."""


class PolicyField(Struct):
    """One field of the policy as it was judged by."""

    value: list[str]
    source: Literal["given", "inferred", "default"]
    """Whether the user gave it, the capture told it, or nobody said."""
    confidence: Confidence | None = None
    """How surely, where inferred."""
    reasons: list[str] = field(default_factory=list)
    """From what, where inferred."""


class PolicyEntry(Struct):
    kind: Literal["none", "tunnel", "proxy", "tunnel+proxy"]
    fields: dict[str, PolicyField] = field(default_factory=dict)
    """tunnels, vpn_endpoints, proxies, exits, clients, lans, resolvers, allow, strict."""
    sha256: str = ""
    """Of what the user gave, written out with sorted keys: equal for equal policies."""
