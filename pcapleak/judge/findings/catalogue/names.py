"""PL3xx: names that stand for addresses, and what joins the two."""

from __future__ import annotations

from pcapleak.judge.findings.catalogue.entry import Entry

ENTRIES: tuple[Entry, ...] = (
    Entry(
        "PL301",
        "mdns-name-unmasked",
        "low",
        "A WebRTC .local name joined with the address it hides.",
        "The browser announced the name that stands for its address in candidates. Whoever is "
        "on the local network, and whoever got the name from a page there, joins both.",
        'Filter mdns and dns.resp.name contains ".local" and read the A or AAAA record.',
        "It is how multicast DNS candidates work within a network. Mode 3 or 4 of RFC 8828 "
        "(WebRtcIPHandling) gathers no such candidates.",
        ("draft-ietf-mmusic-mdns-ice-candidates section 5", "RFC 6762 section 8.3"),
        "Firefox answers only when asked: no announcement does not prove that no name was used.",
    ),
    Entry(
        "PL302",
        "mdns-tunnel-address-on-lan",
        "medium",
        "A name announced on the physical interface carries the tunnel's address.",
        "The browser announces its names on every interface: here the local network learns "
        "this host's address inside the tunnel, and that there is a tunnel at all.",
        "Filter mdns on the physical interface and read A and AAAA records.",
        "Drop multicast DNS (UDP 5353) on the physical interface, or use WebRtcIPHandling "
        "default_public_interface_only.",
        ("draft-ietf-mmusic-mdns-ice-candidates section 5", "RFC 6762 section 14"),
        "Without the tunnel recorded or its address given, a strange address is taken for it.",
    ),
    Entry(
        "PL303",
        "mdns-lan-address-in-tunnel",
        "medium",
        "A name announced into the tunnel carries a LAN address.",
        "The tunnel's operator, or other hosts in it, learn this host's address on its local "
        "network and that a page gathered candidates.",
        "Filter mdns on the tunnel's interface and read A and AAAA records.",
        "Drop multicast DNS (UDP 5353) on the tunnel's interface.",
        ("draft-ietf-mmusic-mdns-ice-candidates section 5", "RFC 6762 section 14"),
        "Whether the tunnel forwards multicast is not seen; many drop it at the other end.",
    ),
    Entry(
        "PL304",
        "foundation-reveals-address",
        "medium",
        "A candidate's foundation proves, or gives away, the address behind its name.",
        "libwebrtc computes the foundation from the base address (and since 2022 from the "
        "session's tie-breaker, which every check shows in clear). Who reads a candidate line "
        "and a check can try all private addresses and finds the one behind the .local name.",
        "Read the candidate line and the ICE-CONTROLLING or ICE-CONTROLLED attribute, then "
        'compute CRC-32 of "host", the address, "udp" and the tie-breaker in decimal.',
        "None for users but Mode 3 or 4 of RFC 8828; it is a property of libwebrtc.",
        ("RFC 8445 section 5.1.1.3", "libwebrtc p2p/base/port.cc, ComputeFoundation"),
        "CRC-32 is short: with a 16-bit search a chance match happens once in 65,000 names; an "
        "address that the capture shows otherwise turns it into proof.",
    ),
)
