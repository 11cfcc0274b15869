"""A report made by hand, in every field: what the writers are tested with."""

from __future__ import annotations

from pcapleak.report.document import (
    BrowserEntry,
    Candidate,
    CaptureEntry,
    ClaimEntry,
    Coherence,
    Conclusion,
    Contradiction,
    CoverageEntry,
    Document,
    EndpointEntry,
    Finding,
    FlowEntry,
    Generator,
    GeoSource,
    IceSession,
    Inference,
    InterfaceEntry,
    Malformed,
    MdnsName,
    Mode,
    NatProfile,
    Observer,
    PageRow,
    PlaceEntry,
    PolicyEntry,
    PolicyField,
    ResolverEntry,
    Statistics,
    Time,
    TimelineEvent,
    TunnelEntry,
    Vector,
    Verdict,
    WitnessEntry,
)
from pcapleak.values.findings import Severity

START = 1_795_362_557_000_000_001
NAME = "71386b15-1cad-4c74-9819-06d41f4bc8be.local"


def at(milliseconds: int) -> Time:
    return Time(START + milliseconds * 1_000_000)


def sample(text: str = "") -> Document:
    """The report; `text` is put into every string that a packet or a file name can choose."""
    name = text or NAME
    return Document(
        schema_version="1.0",
        generator=Generator("pcapleak", "0.1.0"),
        captures=[
            CaptureEntry(
                path=text or "socks.pcapng",
                format="pcapng",
                packets=91,
                bytes=22344,
                first_time=at(0),
                last_time=at(5230),
                truncated=True,
                interfaces=[
                    InterfaceEntry(
                        0,
                        text or "eth0",
                        "ETHERNET",
                        80,
                        "physical",
                        "has a gateway",
                        ["192.168.77.2/24"],
                    ),
                    InterfaceEntry(1, None, "RAW", 11, "tunnel", "carries no link layer", [], 3),
                ],
                problems=[f"the last record is cut at byte 22340{text}"],
            )
        ],
        policy=PolicyEntry(
            "proxy",
            {
                "proxies": PolicyField(["socks5://198.51.100.30:1080"], "given"),
                "clients": PolicyField(
                    ["192.168.77.2"], "inferred", "high", ["it opens the proxy's connections"]
                ),
            },
        ),
        verdict=Verdict(
            "leak",
            "STUN answers beside the proxy show the client's public address to 198.51.100.10:3478",
            ["203.0.113.7"],
        ),
        findings=[
            Finding(
                id="PL101",
                name="webrtc-public-address-exposed",
                severity=Severity.CRITICAL,
                confidence="certain",
                interface=text or "eth0",
                subject="203.0.113.7",
                message=f"STUN answered outside the proxy: the client is 203.0.113.7{text}",
                remedy="Let the browser send no UDP beside the proxy.",
                first_time=at(1200),
                last_time=at(1300),
                frames=[40, 44],
                frame_count=2,
                display_filter="stun && udp.port == 40150 && ip.addr == 198.51.100.10",
                flow=7,
                flow_count=1,
                bytes=240,
                addresses=["203.0.113.7"],
                reasons=["the answer came on a physical interface"],
            ),
            Finding(
                id="PL301",
                name="mdns-name-unmasked",
                severity=Severity.LOW,
                confidence="high",
                interface=None,
                subject=name,
                message=f"{name} hides 192.168.77.2",
                remedy="Nothing to do on a trusted network.",
            ),
        ],
        ice_sessions=[
            IceSession(
                id="s1",
                client_addresses=["192.168.77.2"],
                engine="chromium",
                engine_reason="GOOG-NETWORK-INFO in a check",
                username_fragments=[text or "DX3D"],
                tie_breakers=["0123456789abcdef"],
                first_time=at(1000),
                last_time=at(1400),
                ip_handling_mode=Mode(2, "high", ["one interface gathers"]),
                candidates=[
                    Candidate(
                        type="host",
                        protocol="udp",
                        address="192.168.77.2",
                        port=40150,
                        mdns_name=name,
                        mdns_link=Inference("high", ["announced by this address"]),
                        priority=2113937151,
                        priority_source="predicted",
                        interface="eth0",
                        evidence="inferred",
                        frames=[38],
                        frame_count=1,
                        line=f"candidate:? 1 udp 2113937151 {name} 40150 typ host",
                    ),
                    Candidate(
                        type="srflx",
                        protocol="udp",
                        address="203.0.113.7",
                        port=40150,
                        base_address="192.168.77.2",
                        base_port=40150,
                        server="198.51.100.10:3478",
                        frames=[44],
                        frame_count=1,
                        line="candidate:? 1 udp ? 203.0.113.7 40150 typ srflx",
                    ),
                    Candidate(type="relay", protocol="tcp", address="2001:db8::7", port=None),
                ],
                role="controlling",
                checks=4,
                nominated=["192.168.77.2:40150 198.51.100.40:9"],
                flows=[7],
            )
        ],
        page_rows=[
            PageRow(
                "both",
                text or "page.json",
                f"srflx{text}",
                f"udp{text}",
                "203.0.113.7",
                40150,
                f"candidate:1 1 udp 1677729535 203.0.113.7 40150 typ srflx{text}",
                "s1",
            ),
            PageRow("wire", None, "relay", "tcp", "2001:db8::7", None, "", "s1", ["no page"]),
        ],
        browsers=[
            BrowserEntry(
                "192.168.77.2", "chromium", f"User-Agent {text!r}", True, at(10), at(20), [7], 1
            ),
            BrowserEntry(text or "192.168.77.3", "firefox", text or "asks a service of its own"),
        ],
        mdns_names=[
            MdnsName(
                name=name,
                uuid="71386b15-1cad-4c74-9819-06d41f4bc8be",
                addresses=["192.168.77.2"],
                announcer="192.168.77.2",
                interfaces=["eth0"],
                ttl_s=120,
                first_time=at(900),
                last_time=at(1900),
                queried_by=["192.168.77.9"],
                frames=[30, 31],
                frame_count=2,
            )
        ],
        flows=[
            FlowEntry(
                id=7,
                community_id="1:9v7bLGzNzWz3Q0bXjvGfZ0Xn2vU=",
                protocol="udp",
                orig=EndpointEntry("192.168.77.2", 40150),
                resp=EndpointEntry("198.51.100.10", 3478),
                interface="eth0",
                services=["stun"],
                orig_packets=2,
                orig_bytes=120,
                resp_packets=2,
                resp_bytes=120,
                first_time=at(1100),
                last_time=at(1300),
                path="bypass",
                process=text or None,
                server_name=text or None,
            ),
            FlowEntry(
                id=2,
                community_id="1:LQU9qZlK+B5F3KDmev6m5PMibrg=",
                protocol="tcp",
                orig=EndpointEntry("192.168.77.2", 50022),
                resp=EndpointEntry("198.51.100.30", 1080),
                interface="eth0",
                services=["socks", "tls"],
                orig_packets=30,
                orig_bytes=4000,
                resp_packets=28,
                resp_bytes=9000,
                first_time=at(100),
                last_time=at(5200),
                path="proxy",
                server_name="stun.example.org",
            ),
        ],
        resolvers=[ResolverEntry("192.168.77.1", "udp", 3, "eth0", "local", [3, 5])],
        tunnels=[
            TunnelEntry(
                "socks", "198.51.100.30:1080", "eth0", [at(100)], [at(4000)], True, ["handshake"]
            )
        ],
        timeline=[
            TimelineEvent(at(100), "tunnel-up", "198.51.100.30:1080", "the proxy answers"),
            TimelineEvent(
                at(1200), "leak", "203.0.113.7", f"public address shown{text}", at(1300), 240
            ),
        ],
        coverage=[
            CoverageEntry("stun", True, {"bypass": 4}),
            CoverageEntry("ipv6", False, {}, "no IPv6 traffic"),
        ],
        claims=[
            ClaimEntry(
                "side",
                f"wg0{text}",
                "inside",
                "conserved",
                [WitnessEntry("conserved", f"what goes in comes out{text}")],
                [WitnessEntry("typical", f"its name{text}")],
                f"--tunnel wg0{text}",
            ),
        ],
        observers=[
            Observer(f"203.0.113.7{text}", ["198.51.100.10"], ["srflx answer"], [44]),
        ],
        coherence=Coherence(
            [
                Vector(
                    "exit",
                    "198.51.100.30",
                    f"the proxy{text}",
                    "certain",
                    ["CA"],
                    {"browser": text},
                    [
                        PlaceEntry(
                            "198.51.100.30",
                            ["CA"],
                            {"map.toml": "CA"},
                            "certain",
                            64500,
                            f"Example Hosting{text}",
                            "hosting",
                            "high",
                            f"note{text}",
                        )
                    ],
                    [44],
                ),
                Vector("time zone", None, "unknown: give --timezone"),
            ],
            [Contradiction(["exit", "webrtc"], "disagree", f"in two{text}", {"country": "x"})],
            "incoherent",
            f"The page would see{text}.",
            [Conclusion("a page that runs scripts", ["exit", "webrtc"], f"a proxy{text}")],
            [
                NatProfile(
                    "192.168.50.42",
                    f"eth0{text}",
                    "endpoint-independent",
                    True,
                    "unknown",
                    ["203.0.113.7"],
                    ["198.51.100.10:3478"],
                    [f"two servers{text}"],
                    [44],
                )
            ],
            [GeoSource(f"map.toml{text}", "2026-09-16", f"the user's own{text}")],
        ),
        malformed=[Malformed(12, "stun", f"attribute{text}", 20, "overruns the message")],
        statistics=Statistics(
            packets=91,
            bytes=22000,
            flows=9,
            protocols={"ipv4": 90, "udp": 20},
            paths={"bypass": 4, "proxy": 58},
            path_bytes={"bypass": 240, "proxy": 13000},
            skipped={"not IP": 1},
            malformed=1,
            flows_listed=2,
        ),
    )
