"""Whether the addresses tell one story, in the report."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from pcapleak.values.evidence import Confidence


class PlaceEntry(Struct):
    """Where an address is, as the sources have it."""

    address: str
    countries: list[str] = field(default_factory=list)
    """Country codes that the sources name; more than one where they differ."""
    sources: dict[str, str] = field(default_factory=dict)
    """What each source says."""
    confidence: Confidence | None = None
    """Of the country."""
    asn: int | None = None
    """Number of its autonomous system."""
    organisation: str | None = None
    """Whose autonomous system it is."""
    kind: Literal["hosting", "cdn", "vpn", "relay", "mobile", "residential", "unknown"] = "unknown"
    """What the network is."""
    kind_confidence: Confidence | None = None
    """How surely."""
    note: str = ""
    """Why it has no place, or how it carries the address that was looked up."""


class Vector(Struct):
    """One of the signs by which an observer guesses where a client is."""

    name: str
    """exit, webrtc, time zone, language or resolver."""
    value: str | None
    """None where nothing told it."""
    provenance: str
    """What told it: frames, a page's file, the policy, or why it is unknown."""
    confidence: Confidence | None = None
    """How surely the value is right."""
    countries: list[str] = field(default_factory=list)
    """Countries it points to."""
    details: dict[str, str] = field(default_factory=dict)
    """More of it, by name."""
    places: list[PlaceEntry] = field(default_factory=list)
    """Of its addresses."""
    frames: list[int] = field(default_factory=list)
    """The first frames that show it."""


class Contradiction(Struct):
    """Two vectors held against each other, whatever came of it."""

    vectors: list[str]
    """Their names."""
    verdict: Literal["agree", "disagree", "uncertain", "unknown"]
    sentence: str
    """Why, for a person."""
    aspects: dict[str, str] = field(default_factory=dict)
    """The same verdicts by country, network (ASN), kind of network, prefix, language, clock."""


class Conclusion(Struct):
    """What one kind of observer could conclude from the vectors that reach it."""

    observer: str
    sees: list[str]
    """Names of vectors."""
    conclusion: str


class NatProfile(Struct):
    """How the network in front of a client translates addresses, from STUN answers alone."""

    client: str
    """The client's own address."""
    interface: str | None
    mapping: Literal[
        "none",
        "endpoint-independent",
        "address-dependent",
        "address-and-port-dependent",
        "unknown",
    ]
    """Mapping behaviour (RFC 4787 section 4.1); none: the address is not translated."""
    port_preservation: bool | None
    """Whether ports stay what they are (RFC 4787 section 4.2.1)."""
    cgnat: Literal["likely", "unlikely", "unknown"]
    """Whether a provider shares the public address among customers."""
    public_addresses: list[str] = field(default_factory=list)
    """What servers saw."""
    servers: list[str] = field(default_factory=list)
    """Who was asked."""
    reasons: list[str] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)


class GeoSource(Struct):
    """Data that places come from."""

    name: str
    date: str
    """When they were made, as ISO 8601; empty where that is not known."""
    licence: str


class Coherence(Struct):
    """Whether the address that WebRTC shows agrees with the rest of the story."""

    vectors: list[Vector] = field(default_factory=list)
    contradictions: list[Contradiction] = field(default_factory=list)
    """Every pair of vectors that are known, and its verdict."""
    result: Literal["coherent", "incoherent", "uncertain", "unknown"] = "unknown"
    """What it all comes to."""
    sentence: str = ""
    """The same for a person."""
    conclusions: list[Conclusion] = field(default_factory=list)
    """By kind of observer."""
    nat: list[NatProfile] = field(default_factory=list)
    """What STUN shows of the NAT in front of each client."""
    sources: list[GeoSource] = field(default_factory=list)
    """Where the places are from."""
