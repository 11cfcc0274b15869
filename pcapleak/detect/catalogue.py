"""Every finding pcapleak can make: what it means, how to confirm it, how to mend it.

`pcapleak explain`, the documentation and the detectors all read this one table. Identifiers
are stable and never used again for something else.
"""

from __future__ import annotations

from typing import NamedTuple

from pcapleak.document import Severity


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


_BROWSER_REMEDY = (
    "In Chromium-based browsers set the managed policy WebRtcIPHandling to "
    "disable_non_proxied_udp; in Firefox set media.peerconnection.ice.proxy_only to true, or "
    "media.peerconnection.enabled to false where no page needs WebRTC. Behind a VPN, let its "
    "firewall (kill switch) drop all UDP that does not go to the VPN server."
)
_FIREWALL_REMEDY = (
    "Turn on the VPN client's kill switch, or drop on the physical interface all that does not "
    "go to the VPN server, such as: nft add rule inet filter output oifname eth0 ip daddr != "
    "VPN_SERVER drop."
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
        _FIREWALL_REMEDY,
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
    Entry(
        "PL201",
        "udp-bypass",
        "high",
        "Any other UDP flow outside (QUIC, unknown).",
        "UDP left the host beside the tunnel or proxy. QUIC carries most of the web's large "
        "sites, and no SOCKS or HTTP CONNECT proxy of a browser takes it along.",
        "Filter udp on the physical interface, without the VPN server's address and the local "
        "network.",
        "Behind a proxy turn QUIC off in the browser (Chromium: QuicAllowed false; Firefox: "
        "network.http.http3.enable false). Behind a VPN: " + _FIREWALL_REMEDY,
        ("RFC 9000", "RFC 9298 section 1"),
        "The program is mostly unknown. What is meant to go outside belongs into the policy.",
    ),
    Entry(
        "PL202",
        "ipv6-bypass",
        "high",
        "Native IPv6 outside an IPv4-only tunnel.",
        "The tunnel carries IPv4 only while the network offers IPv6: all that prefers IPv6 goes "
        "out in clear, with an address that often names this very host.",
        "Filter ipv6 and not ipv6.dst == fe80::/10 and not ipv6.dst == ff00::/8 on the physical "
        "interface.",
        "Use a VPN that carries IPv6, or turn IPv6 off on the physical interface while it is "
        "up, or drop IPv6 there except neighbour discovery.",
        ("RFC 7359",),
        "That the tunnel carries no IPv6 is concluded from seeing none inside it.",
    ),
    Entry(
        "PL203",
        "dns-bypass",
        "high",
        "DNS (UDP, TCP, DNS over TLS) to a resolver outside the tunnel or proxy, or to another "
        "than the tunnel's.",
        "Names this host looks up are asked outside: the resolver's operator, and with plain "
        "DNS everyone on the way, reads which sites are visited. A resolver on the local "
        "network only hands the questions on.",
        "Filter dns or tcp.port == 853 on the physical interface.",
        "Let the VPN set the resolver and drop port 53 and 853 on the physical interface. In "
        "Firefox behind a SOCKS proxy set network.proxy.socks_remote_dns to true; give "
        "Chromium a socks5:// proxy, which resolves there.",
        ("RFC 7858", "RFC 9076 section 5"),
        "DNS over HTTPS is told from other HTTPS only where its server's name is known.",
    ),
    Entry(
        "PL204",
        "tcp-bypass",
        "high",
        "TCP outside a tunnel (for a proxy: information, unless the policy is strict).",
        "Connections left the host beside the tunnel and show its own address to their servers.",
        "Filter tcp on the physical interface, without the VPN server's or proxy's address and "
        "the local network.",
        _FIREWALL_REMEDY,
        ("RFC 9293",),
        "A proxy is often meant for one program only, so TCP beside it is information unless "
        "the policy says strict. Connections older than the tunnel end slowly: tails of closed "
        "ones are told apart where their flags show it.",
    ),
    Entry(
        "PL205",
        "tunnel-down-traffic",
        "high",
        "Traffic outside while the tunnel is down between its first and last sign of life.",
        "The tunnel was lost and came back, and in between traffic went out in clear: the kill "
        "switch is off or does not hold.",
        "Filter the VPN server's address for the gap, then look at the physical interface "
        "within it.",
        _FIREWALL_REMEDY,
        ("USENIX Security 2023, TunnelCrack", "IMC 2018, Khan et al., tunnel failure"),
        "Signs of life are what the capture shows: an idle tunnel without keepalives is silent "
        "too, so only a loss that a new handshake or a vanished interface ended counts.",
    ),
    Entry(
        "PL206",
        "tunnel-address-on-physical",
        "high",
        "Packets leave the physical interface with the tunnel's address as source.",
        "A program bound its socket to the tunnel's address while the route goes out of the "
        "physical interface. The packets die on the way, but everyone on the local network and "
        "at the provider learns the tunnel's address, which ties this host to its VPN session.",
        "Filter ip.src == TUNNEL_ADDRESS on the physical interface.",
        "Drop packets with the tunnel's source address on other interfaces: nft add rule inet "
        "filter output oifname != wg0 ip saddr TUNNEL_ADDRESS drop.",
        ("RFC 8828 section 6.1", "CVE-2019-14899"),
        "Without the tunnel recorded or its address given, a second private address is a guess.",
    ),
    Entry(
        "PL207",
        "lan-address-in-tunnel",
        "medium",
        "Packets enter the tunnel with a LAN address as source.",
        "A program bound to the physical address was routed into the tunnel. The tunnel's "
        "operator learns the local address, and answers never come back.",
        "Filter ip.src == LAN_ADDRESS on the tunnel's interface.",
        "Drop them: nft add rule inet filter output oifname wg0 ip saddr != TUNNEL_ADDRESS drop.",
        ("RFC 8828 section 6.1",),
        "A tunnel that joins two networks carries such addresses on purpose.",
    ),
    Entry(
        "PL208",
        "dhcp-route-injection",
        "high",
        "DHCP option 121 or 249 pulls public ranges out of the tunnel.",
        "The DHCP server gave routes for public ranges. They are more specific than the "
        "tunnel's default route, so that traffic leaves in clear while the VPN says it is up.",
        "Filter dhcp.option.type == 121 or dhcp.option.type == 249 and read the routes.",
        "Ignore the option on untrusted networks (systemd-networkd: UseRoutes=false), or keep "
        "the VPN in its own network namespace or with firewall rules instead of routes alone.",
        ("CVE-2024-3661 (TunnelVision)", "RFC 3442"),
        "Networks that need static routes send it too; private ranges are not reported.",
    ),
    Entry(
        "PL209",
        "public-range-lan",
        "medium",
        "DHCP or a router advertisement declares a public range as on-link.",
        "Addresses on the local link go beside the tunnel by design. A network that calls a "
        "public range its own thus draws that range's traffic out of the tunnel.",
        "Filter dhcp.option.subnet_mask or icmpv6.type == 134 and compare the range with the "
        "addresses it holds.",
        "Let the VPN client block access to the local network where its addresses are public.",
        ("USENIX Security 2023, TunnelCrack (LocalNet), CVE-2023-36672",),
        "Hosts with public addresses of their own exist: universities and servers. An IPv6 /64 "
        "is on-link everywhere and is not reported; shorter ones are.",
    ),
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
    Entry(
        "PL401",
        "coherence-country",
        "medium",
        "The exit and an address that WebRTC shows are in different countries.",
        "A page holds the address it is visited from against the one WebRTC tells. Two "
        "countries mark the user as behind a VPN or proxy, and the second one is where they are.",
        "Read XOR-MAPPED-ADDRESS in the frames named and ask `pcapleak geo` for both addresses.",
        "Stop the WebRTC address from being shown (see PL101); an exit in the same country "
        "hides the difference from this check only.",
        ("docs/coherence.md",),
        "Countries of addresses are estimates: where sources differ, or one alone knows, "
        "nothing is claimed, and so some contradictions are missed.",
    ),
    Entry(
        "PL402",
        "coherence-network",
        "medium",
        "The exit and an address that WebRTC shows are of different networks (autonomous "
        "systems), also where their countries are the same.",
        "Nobody visits a page through two providers at once. An exit of a hosting company and "
        "a WebRTC address of a provider for homes are a VPN or proxy and its user.",
        "Read XOR-MAPPED-ADDRESS in the frames named and ask `pcapleak geo` for both addresses.",
        "Stop the WebRTC address from being shown (see PL101). That the exit itself is of a "
        "hosting network, only another exit changes.",
        ("docs/coherence.md", "RFC 1930"),
        "A host with two providers, or a VPN whose servers come out of several networks, looks "
        "the same. The kind of a network is sure for a table of known ones alone.",
    ),
    Entry(
        "PL403",
        "coherence-time-zone",
        "medium",
        "The clock's time zone is none of the exit's country, and shows another time.",
        "Every page can read the time zone, and holds it against the country it is visited "
        "from; it tells the region in spite of the exit.",
        "Compare Intl.DateTimeFormat().resolvedOptions().timeZone in the browser's console with "
        "what `pcapleak geo` says of the exit.",
        "Set the browser's time zone to the exit's, or use a browser that reports UTC to all.",
        ("docs/coherence.md", "RFC 6557"),
        "Travellers keep their home's zone. Packets seldom tell it, so it is mostly as stated. "
        "A zone of another country with the same clock is uncertain, though its name differs.",
    ),
    Entry(
        "PL404",
        "coherence-language",
        "medium",
        "The browser asks for languages that are foreign in the exit's country.",
        "Accept-Language goes with every request, and scripts read the same list; it hints at "
        "where the user is from.",
        "Filter http.accept_language, where requests are in clear.",
        "Set the browser's languages to a common list, such as en-US alone.",
        ("docs/coherence.md", "RFC 9110 section 12.5.4"),
        "People keep their language abroad, so this is a hint and no proof. English alone is "
        "never held against anyone.",
    ),
    Entry(
        "PL405",
        "coherence-resolver",
        "medium",
        "The DNS resolver, or the client subnet its questions carry, is of another country or "
        "of the client's own provider, and not of the exit's.",
        "The name servers of a page see which resolver asks for it. A resolver of the user's "
        "own provider names that provider in spite of the exit.",
        "Filter dns.flags.response == 0 and look at where questions go; dns.opt.client.addr4 "
        "shows client subnets.",
        "Use the tunnel's resolver, or resolve through the proxy (see PL203).",
        ("docs/coherence.md", "RFC 7871 section 11"),
        "The address a resolver asks from may be another than the one it is asked at. Public "
        "resolvers answer from everywhere, and a router hides the one behind it.",
    ),
    Entry(
        "PL406",
        "candidate-set-shape",
        "low",
        "The candidate set is not what a browser with nothing set produces: relay candidates "
        "only, no host candidate, raw host addresses, or a server's view equal to the interface.",
        "Which candidates a page gets depends on browser, settings and network; an unusual set "
        "marks a hardened or unusual client, or a machine in a data centre.",
        "Read the candidates of the session in the report.",
        "None needed where it is the price of hiding addresses; take camera and microphone "
        "permissions back where raw addresses show.",
        ("RFC 8828 section 5.2", "RFC 8828 section 7"),
        "Packets do not show all candidates that a page reads. A page may ask for relay "
        "candidates only, and any client may have a public address of its own.",
    ),
    Entry(
        "PL901",
        "capture-incomplete",
        "info",
        "Snap length, drops, a missing interface or a cut file limit what can be said.",
        "What was not recorded cannot be judged: the verdict holds only for what is there.",
        "Statistics > Capture File Properties shows drops, snap lengths and interfaces.",
        "Record all of it from before the tunnel comes up: tcpdump -i any -s 0 -w capture.pcap.",
        ("pcapng section 4.6", "tcpdump(1), -s"),
        "Drops are known only where the recorder wrote them down.",
    ),
)

CATALOGUE: dict[str, Entry] = {entry.id: entry for entry in ENTRIES}
"""The entries by id."""
