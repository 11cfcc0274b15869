"""PL1xx: what WebRTC sends or shows beside the proxy or tunnel."""

from __future__ import annotations

from pcapleak.judge.findings.catalogue.entry import FIREWALL_REMEDY, Entry

_BROWSER_REMEDY = (
    "In Chromium-based browsers set the managed policy WebRtcIPHandling to "
    "disable_non_proxied_udp; in Firefox set media.peerconnection.ice.proxy_only to true, or "
    "media.peerconnection.enabled to false where no page needs WebRTC. Behind a VPN, let its "
    "firewall (kill switch) drop all UDP that does not go to the VPN server."
)

ENTRIES: tuple[Entry, ...] = (
    Entry(
        "PL101",
        "webrtc-public-address-exposed",
        "critical",
        "A STUN or TURN answer outside the proxy or tunnel shows the client's public address.",
        "A server told this host, in clear and beside the proxy or tunnel, which public address "
        "it has. The browser hands that address to the page as a server-reflexive candidate, "
        "so any page that runs a few lines of script learns who is behind the proxy or VPN.",
        "Filter stun.type.class == 2 on the physical interface and read XOR-MAPPED-ADDRESS: it "
        "is the client's own address and not the exit's.",
        _BROWSER_REMEDY,
        ("RFC 8489 section 14.2", "RFC 8828 section 5.2", "RFC 8445 section 5.1.1.2"),
        "An answer does not prove that a page asked. Give --exit-ip where the exit is unknown.",
    ),
    Entry(
        "PL102",
        "webrtc-bypass",
        "high",
        "STUN, TURN, ICE, DTLS-SRTP or SRTP outside the proxy or tunnel, answered or not.",
        "WebRTC traffic left the host beside the proxy or tunnel. Even without an answer the "
        "server, the network and whoever runs the other end saw the host's own address.",
        "Filter stun or dtls or rtp on the physical interface; none should go anywhere but to "
        "the VPN server or proxy.",
        _BROWSER_REMEDY,
        ("RFC 8828 section 5.2", "RFC 8656", "RFC 8445 section 7"),
        "The program is not in the packets. VPN clients' own STUN is known by its name only.",
    ),
    Entry(
        "PL103",
        "webrtc-interface-enumeration",
        "high",
        "One session gathers from more than one interface while a tunnel is up (RFC 8828 Mode 1).",
        "The browser asked STUN servers from every network interface it found, the tunnel's and "
        "the physical one's. This mode crosses a VPN by design; browsers allow it after a page "
        "got the camera or microphone.",
        "Filter stun.type == 0x0001: requests with different source addresses and interfaces "
        "within the same second, joined by one tie-breaker or one server.",
        "Set WebRtcIPHandling to default_public_interface_only or disable_non_proxied_udp, take "
        "camera and microphone permissions back, and let the kill switch drop UDP that is bound "
        "to the physical interface.",
        ("RFC 8828 section 5.2", "RFC 8828 section 6"),
        "Without a tie-breaker two programs that gather at one moment look alike.",
    ),
    Entry(
        "PL104",
        "webrtc-path-change",
        "critical",
        "One UDP source port moves from the tunnel to the physical interface.",
        "The same socket that spoke inside the tunnel went on outside when the tunnel failed. "
        "A running call or an idle connection thus shows the host's own address without any "
        "action of the user.",
        "Filter udp.port == PORT over both interfaces, ordered by time: inside the tunnel "
        "first, then on the physical interface with the physical address.",
        FIREWALL_REMEDY,
        ("RFC 8445 section 11", "RFC 8489 section 6.2.1"),
        "It needs both sides recorded; a recorder may stop when one interface vanishes.",
    ),
    Entry(
        "PL105",
        "webrtc-v4-mapped-reflexive",
        "medium",
        "An IPv4-mapped IPv6 address in an ICE exchange.",
        "A STUN answer or TURN message carries ::ffff:a.b.c.d. Such a peer-reflexive address "
        "can slip past the masking that replaces private addresses by .local names.",
        "Filter stun.att.family == 2 and look for addresses that begin with ::ffff:.",
        "Update the browser; on the server, bind IPv4 and IPv6 sockets apart (IPV6_V6ONLY).",
        ("RFC 4291 section 2.5.5.2", "draft-ietf-mmusic-mdns-ice-candidates"),
        "A dual-stack server that reports IPv4 clients this way looks the same.",
    ),
    Entry(
        "PL106",
        "turn-peer-address-in-clear",
        "medium",
        "TURN messages without encryption show peers' addresses, private ones first.",
        "CreatePermission, ChannelBind, Send and Data carry the addresses of the other side, "
        "also private ones that the peer put into its candidates. Everyone on the way reads "
        "them.",
        "Filter stun.attribute == 0x0012 and read XOR-PEER-ADDRESS.",
        "Offer TURN over TLS or DTLS (turns:) only.",
        ("RFC 8656 section 14.3", "RFC 8656 section 21.1"),
        "They are the peer's addresses as signalled, not the client's own; a relay that itself "
        "is the peer shows only its own address.",
    ),
    Entry(
        "PL107",
        "webrtc-raw-host-candidate",
        "medium",
        "A private address signalled in a host candidate where a .local name is expected.",
        "A candidate line readable in the capture gives a host's private address instead of a "
        "multicast DNS name, so the page and the peer learn the inner network's addresses.",
        'Filter frame contains "typ host" and read the candidate lines.',
        "Leave multicast DNS candidates on (WebRtcLocalIpsAllowedUrls empty in Chromium, "
        "media.peerconnection.ice.obfuscate_host_addresses true in Firefox) and take camera "
        "and microphone permissions back.",
        ("draft-ietf-mmusic-mdns-ice-candidates section 3.1", "RFC 8828 section 5.2"),
        "Only clear signalling is read. With camera permission raw addresses are expected.",
    ),
)
