"""PL2xx: traffic beside the tunnel or proxy, and addresses on the wrong side of it."""

from __future__ import annotations

from pcapleak.judge.findings.catalogue.entry import FIREWALL_REMEDY, Entry

ENTRIES: tuple[Entry, ...] = (
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
        "network.http.http3.enable false). Behind a VPN: " + FIREWALL_REMEDY,
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
        FIREWALL_REMEDY,
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
        FIREWALL_REMEDY,
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
)
