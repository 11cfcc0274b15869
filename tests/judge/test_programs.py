"""Programs that captures name, in every way recorders do, and what only looks so."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from builders import (
    CLIENT,
    ETH0,
    RESOLVER,
    STUN,
    TUNNEL_POLICY,
    VPN,
    WEB,
    Recording,
    binding_request,
    dns_answer,
    dns_query,
    judged,
    udp_packet,
    wireguard_initiation,
)
from capture_files import Pcapng, padded

import pcapleak
from pcapleak.capture import PcapngWriter
from pcapleak.capture.programs import MAX_REUSED, Processes, read_comment, write_comment
from pcapleak.policy.policy import Policy
from pcapleak.redact.capture import redact_capture
from pcapleak.redact.names import Renamer
from pcapleak.track import programs as tracker
from pcapleak.track.programs import ProgramTracker
from pcapleak.values.packets import Interface
from pcapleak.values.programs import Program

ORDERS = pytest.mark.parametrize("build", [Pcapng("<"), Pcapng(">")], ids=["little", "big"])
COMMENT, PROCESS_AND_THREAD = 1, 8
LINK = bytes.fromhex("0200000000010200000000020800")
FRAME = LINK + udp_packet(CLIENT, 50000, STUN, 3478, binding_request())
TICKS = 1_700_000_000_000_000
CUSTOM = 0x0BAD
RAW = 101


def named(path: Path, raw: bytes, policy: Policy | None = None) -> list[str | None]:
    path.write_bytes(raw)
    document = pcapleak.analyze(path, policy, all_flows=True).document
    return [flow.process for flow in sorted(document.flows, key=lambda flow: flow.id)]


def commented(*comments: str) -> bytes:
    build = Pcapng("<")
    raw = build.section() + build.interface(1)
    return raw + build.packet(
        FRAME, TICKS, 0, *((COMMENT, comment.encode()) for comment in comments)
    )


@pytest.mark.parametrize(
    ("comments", "program"),
    [
        (("PID: 12\nCmd: /usr/bin/curl\nArgs: curl a",), "curl (pid 12)"),
        (
            ("PID: 12\nCmd: /usr/bin/curl\nArgs: curl a\nParentPID: 1\nUserId: 0",),
            "curl (pid 12)",
        ),
        (
            (
                "PID: 12\nCmd: /usr/bin/curl\nArgs: curl a",
                "ThreadId: 12\nThreadName: curl",
                "ParentPID: 1\nParentCmd: /usr/bin/bash\nParentArgs: -bash",
                "UserId: 1000",
            ),
            "curl (pid 12, user 1000, started by bash)",
        ),
        (
            (
                "PID: 12\nCmd: /usr/bin/curl\nArgs: curl a",
                "ContainerName: web\nContainerId: 1f\nContainerImage: i\nContainerLabels: {}",
            ),
            "curl (pid 12, container web)",
        ),
        (
            (
                "PID: 12\nCmd: /usr/bin/curl\nArgs: curl a",
                "PodName: p-1\nPodNamespace: n\nPodUID: u\nPodLabels: {}\nPodAnnotations: {}",
            ),
            "curl (pid 12, container n/p-1)",
        ),
        (
            ("rustnet process=firefox pid=7 uid=1000 direction=outgoing",),
            "firefox (pid 7, user 1000)",
        ),
        (("rustnet process=nginx pid=7 pod=web-1 ns=prod",), "nginx (pid 7, container prod/web-1)"),
        (("PID=4321 ProcessName=chrome.exe",), "chrome.exe (pid 4321)"),
        (("PID=4321",), "unknown (pid 4321)"),
        (("PID=4 ProcessName=C:\\Program Files\\App\\a b.exe",), "a b.exe (pid 4)"),
        (("PID=4321 TID=88 ProcessName=a b.exe",), "a b.exe (pid 4321)"),
        (("PID=4321 ProcessName=a.exe TID=88",), "a.exe (pid 4321)"),
        (
            (
                "PID=4321 TID=88 Packet Metadata: ReceiveFlags:0x0, PhyType:802.11ac, "
                "CenterCh:36, NumMPDUsReceived:1, RSSI:-61, DataRate:12",
            ),
            "unknown (pid 4321)",
        ),
        (
            (
                "PID=4321 TID=88 VlanId=0 SrcPortId=2 SrcNicType=Ext Mac SrcNicName=Intel(R) "
                "Ethernet SrcPortName=A port DstNicCount=1 HashValue=0012ab34",
            ),
            "unknown (pid 4321)",
        ),
        (("a person's note", "PID=4321 ProcessName=chrome.exe"), "chrome.exe (pid 4321)"),
    ],
)
def test_comments_of_recorders_name_programs(
    comments: tuple[str, ...], program: str, tmp_path: Path
) -> None:
    assert named(tmp_path / "a.pcapng", commented(*comments)) == [program]


@pytest.mark.parametrize(
    "comment",
    [
        "I saw PID: 12\nCmd: /usr/bin/curl\nArgs: curl",
        "PID: 12\nCmd: /usr/bin/curl\nArgs: curl\nand what I think of it",
        "PID: 12",
        "PID: 12\nCmd: /usr/bin/curl",
        "PID: twelve\nCmd: /usr/bin/curl\nArgs: x",
        "ParentPID: 1\nParentCmd: /usr/bin/bash\nParentArgs: -bash",
        "UserId: 1000",
        "rustnet",
        "rustnet is a nice program",
        "rustnet direction=outgoing",
        "xrustnet process=firefox pid=7",
        "ProcessName=chrome.exe",
        "see PID=4321 ProcessName=chrome.exe",
        "PID=99999999999 ProcessName=chrome.exe",
        "PID=4321 Owner=me",
        "PID=4321 is chrome.exe",
        "PID=4321\nProcessName=chrome.exe",
        "PID=0 TID=0",
        "u-10123",
        "PL101 process: curl (pid 12, user root)",
    ],
)
def test_a_comment_that_only_looks_so_names_nobody(comment: str, tmp_path: Path) -> None:
    assert named(tmp_path / "a.pcapng", commented(comment)) == [None]


LINES = (
    "PID: 12\nCmd: /usr/bin/python3\nArgs: python3 -c import socket\nsocket.socket()",
    "ParentPID: 1\nParentCmd: /usr/bin/bash\nParentArgs: bash -c cd /\npython3",
    "PodName: p-1\nPodNamespace: n\nPodUID: u\nPodLabels: {}\nPodAnnotations: {a: b\n}",
)


@pytest.mark.parametrize(
    ("writer", "program"),
    [
        ("ptcpdump v0.31.0", "python3 (pid 12, container n/p-1, started by bash)"),
        ("ptcpdumper", None),
        ("Editcap", None),
    ],
)
def test_ptcpdump_itself_writes_arguments_of_several_lines(
    writer: str, program: str | None, tmp_path: Path
) -> None:
    build = Pcapng("<")
    raw = build.section((4, writer.encode())) + build.interface(1)
    raw += build.packet(FRAME, TICKS, 0, *((COMMENT, text.encode()) for text in LINES))
    assert named(tmp_path / "a.pcapng", raw) == [program]


@pytest.mark.parametrize(
    ("flags", "program"),
    [(None, "a.exe (pid 1)"), (1, None), (2, "a.exe (pid 1)")],
    ids=["unmarked", "inbound", "outbound"],
)
@pytest.mark.parametrize("first", [True, False])
def test_who_ran_as_a_packet_came_in_is_not_whose_it_is(
    flags: int | None, program: str | None, first: bool, tmp_path: Path
) -> None:
    """etl2pcapng's README warns of it; what went out is told with the warning."""
    build = Pcapng("<")
    options = [(COMMENT, b"PID=1 ProcessName=a.exe")]
    if flags is not None:
        options.insert(0 if first else 1, (2, struct.pack("<I", flags)))
    raw = build.section() + build.interface(1) + build.packet(FRAME, TICKS, 0, *options)
    assert named(tmp_path / "a.pcapng", raw) == [program]
    problems = pcapleak.analyze(tmp_path / "a.pcapng").document.captures[0].problems
    assert any("etl2pcapng" in text for text in problems) == (program is not None)


def test_a_hostile_name_is_bounded_and_printable(tmp_path: Path) -> None:
    (text,) = named(tmp_path / "a.pcapng", commented(f"PID=1 ProcessName=\x1b[2J{'x' * 5000}.exe"))
    assert text is not None and text.isprintable() and len(text) < 300


@ORDERS
def test_apples_blocks_name_the_process_and_for_whom_it_sends(
    build: Pcapng, tmp_path: Path
) -> None:
    raw = build.section() + build.interface(1)
    for pid, name in ((501, b"mDNSResponder"), (77, b"Safari")):
        body = struct.pack(f"{build.order}I", pid) + build.options((2, name))
        raw += build.block(0x8000_0001, body)
    number = (struct.pack(f"{build.order}I", at) for at in (0, 1, 9))
    one, other, nobody = number
    raw += build.packet(FRAME, TICKS, 0, (0x8001, one), (0x8003, other))
    assert named(tmp_path / "a.pcapng", raw) == ["mDNSResponder (pid 501, for Safari)"]
    raw = build.section() + build.interface(1) + build.packet(FRAME, TICKS, 0, (0x8001, nobody))
    assert named(tmp_path / "a.pcapng", raw) == [None]


def process_entry(build: Pcapng, kind: int = 3, pen: int = 32622, pid: int = 1234) -> bytes:
    options = Pcapng("<").options(
        (2, b"curl"), (3, b"/usr/bin/curl"), (6, struct.pack("<I", 1000)), (7, b"juliet")
    )
    body = struct.pack("<I", pid) + options
    head = struct.pack(f"{build.order}I", pen) + struct.pack("<II", kind, len(body))
    return build.block(CUSTOM, head + padded(body))


@ORDERS
@pytest.mark.parametrize(
    ("block", "program"),
    [
        ({}, "curl (pid 1234, user juliet)"),
        ({"kind": 2}, "unknown (pid 1234)"),
        ({"pen": 32623}, "unknown (pid 1234)"),
        ({"pid": 1235}, "unknown (pid 1234)"),
    ],
)
def test_wiresharks_process_information_is_joined_by_the_process_id(
    build: Pcapng, block: dict[str, int], program: str, tmp_path: Path
) -> None:
    ids = struct.pack(f"{build.order}II", 1234, 1)
    raw = build.section() + build.interface(1) + process_entry(build, **block)
    raw += build.packet(FRAME, TICKS, 0, (PROCESS_AND_THREAD, ids))
    assert named(tmp_path / "a.pcapng", raw) == [program]


@ORDERS
def test_a_process_id_is_whose_it_was_as_the_packet_was_recorded(
    build: Pcapng, tmp_path: Path
) -> None:
    """By start times as Wireshark has it; without them, by what was told before the packet."""

    def block(pid: int, name: bytes, start_us: int | None = None) -> bytes:
        options = [(2, name)]
        if start_us is not None:
            options.append((9, struct.pack("<Q", (TICKS + start_us) * 1000)))
        body = struct.pack("<I", pid) + Pcapng("<").options(*options)
        head = struct.pack(f"{build.order}I", 32622) + struct.pack("<II", 3, len(body))
        return build.block(CUSTOM, head + padded(body))

    def sent(port: int, us: int, pid: int) -> bytes:
        frame = LINK + udp_packet(CLIENT, port, STUN, 3478, binding_request())
        ids = struct.pack(f"{build.order}II", pid, 0)
        return build.packet(frame, TICKS + us, 0, (PROCESS_AND_THREAD, ids))

    raw = build.section() + build.interface(1)
    raw += block(500, b"second", 20) + block(500, b"first", -10)
    raw += sent(1, 5, 500) + sent(2, 25, 500) + sent(3, -100, 500)
    raw += block(600, b"old") + sent(4, 30, 600) + block(600, b"new") + sent(5, 31, 600)
    raw += sent(6, 32, 700) + block(700, b"late")
    assert named(tmp_path / "a.pcapng", raw) == [
        "first (pid 500)",
        "second (pid 500)",
        "first (pid 500)",
        "old (pid 600)",
        "new (pid 600)",
        "late (pid 700)",
    ]


def test_of_programs_with_one_id_the_last_told_are_kept() -> None:
    known = Processes()
    for at in range(100):
        known.add(1, at, {2: f"p{at}".encode()})
    assert known.of(1, 0, 200).name == "p99"
    assert known.of(1, 0, 0).name == f"p{100 - MAX_REUSED}"


def uid_map(build: Pcapng, uid: int, package: bytes, title: bytes, pen: int = 62652) -> bytes:
    head = struct.pack(f"{build.order}IBBiBB", pen, 1, 1, uid, len(package), len(title))
    return build.block(CUSTOM, head + package + title)


@pytest.mark.parametrize(
    ("comment", "pen", "program"),
    [
        ("u-10123", 62652, "com.brave.browser (Brave, user 10123)"),
        ("u-10124", 62652, None),
        ("u-10123", 62653, None),
        ("U-10123", 62652, None),
    ],
)
def test_pcapdroids_comments_are_joined_by_its_map_of_users(
    comment: str, pen: int, program: str | None, tmp_path: Path
) -> None:
    build = Pcapng("<")
    raw = build.section() + build.interface(1)
    raw += uid_map(build, 10123, b"com.brave.browser", b"Brave", pen)
    raw += build.packet(FRAME, TICKS, 0, (COMMENT, comment.encode()))
    assert named(tmp_path / "a.pcapng", raw) == [program]


def trailer(uid: int = 10123, name: bytes = b"com.brave.browser", size: int = 32) -> bytes:
    return (struct.pack("!Ii", 0x01072021, uid) + name.ljust(20, b"\0") + bytes(4))[:size]


def pcap(*frames: bytes) -> bytes:
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    return head + b"".join(
        struct.pack("<IIII", 1_700_000_000 + at, 0, len(frame), len(frame)) + frame
        for at, frame in enumerate(frames)
    )


OTHER = LINK + udp_packet(CLIENT, 50001, STUN, 3478, binding_request())


@pytest.mark.parametrize(
    ("frames", "programs"),
    [
        ([FRAME + trailer()], ["com.brave.browser (user 10123)"]),
        ([FRAME + bytes(3) + trailer()], ["com.brave.browser (user 10123)"]),
        ([FRAME + trailer(1051, b"")], ["uid 1051 (user 1051)"]),
        ([FRAME + trailer(-1, b"")], [None]),
        ([FRAME + trailer(size=28)], [None]),
        ([FRAME + trailer() + bytes(2)], [None]),
        ([FRAME + bytes(40) + trailer()], [None]),
        ([FRAME + trailer(), OTHER], [None, None]),
        ([OTHER, FRAME + trailer()], [None, None]),
        (
            [FRAME + trailer(), OTHER + trailer(7, b"b")],
            ["com.brave.browser (user 10123)", "b (user 7)"],
        ),
    ],
    ids=str,
)
def test_pcapdroids_trailers_count_where_every_frame_has_one(
    frames: list[bytes], programs: list[str | None], tmp_path: Path
) -> None:
    """A stranger can put such bytes behind some frames, but not behind all."""
    assert named(tmp_path / "a.pcap", pcap(*frames)) == programs


def pktap(
    name: bytes, pid: int, command: bytes, effective: bytes = b"", length: int = 108
) -> bytes:
    head = struct.pack("<III24sI", length, 1, 1, name, 2) + bytes(12)
    head += struct.pack("<i17s3xIHHi17s3x", pid, command, 0, 0, 0, 0, effective)
    return head[:length]


@pytest.mark.parametrize(
    ("head", "program"),
    [
        (pktap(b"en0", 400, b"wireguard-go"), "wireguard-go (pid 400)"),
        (pktap(b"en0", 9, b"mDNSResponder", b"Safari"), "mDNSResponder (pid 9, for Safari)"),
        (pktap(b"en0", -1, b""), None),
        (pktap(b"en0", 400, b"wireguard-go", length=56), None),
    ],
)
def test_pktap_names_the_process_of_each_packet(
    head: bytes, program: str | None, tmp_path: Path
) -> None:
    build = Pcapng("<")
    raw = build.section() + build.interface(258) + build.packet(head + FRAME, TICKS)
    assert named(tmp_path / "a.pcapng", raw) == [program]


def test_two_programs_on_one_flow_are_both_told_and_facts_of_one_are_joined(tmp_path: Path) -> None:
    build = Pcapng("<")
    raw = build.section() + build.interface(1)
    for comment in (
        b"PID=1 ProcessName=a.exe",
        b"PID=1",
        b"PID=2 ProcessName=b.exe",
        b"PID=1 ProcessName=a.exe",
    ):
        raw += build.packet(FRAME, TICKS, 0, (COMMENT, comment))
    assert named(tmp_path / "a.pcapng", raw) == ["a.exe (pid 1) and b.exe (pid 2)"]


def test_coverage_names_the_programs_of_each_kind_of_traffic(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    path.write_bytes(commented("PID=1 ProcessName=a.exe"))
    by = {entry.kind: entry.programs for entry in pcapleak.analyze(path).document.coverage}
    assert by.pop("stun") == ["a.exe"]
    assert not any(by.values())


def test_evidence_of_a_watch_names_the_programs_again(tmp_path: Path) -> None:
    path = tmp_path / "evidence.pcapng"
    with PcapngWriter(path) as writer:
        writer.write(
            Interface(0, 0, 1, "eth0"),
            TICKS * 1000,
            FRAME,
            len(FRAME),
            comment="PL101: a message\nPL101 process: curl (pid 12, user root)",
        )
    document = pcapleak.analyze(path).document
    assert [flow.process for flow in document.flows] == ["curl (pid 12, user root)"]


@pytest.mark.parametrize(
    "program",
    [
        Program("curl", 12, "root", "", "pod1f/0123456789ab", "bash", "Safari"),
        Program("(sd-pam)", 12, "a, b"),
        Program("100%28; (pid 3, user x)", 7, "root", parent="x, for y"),
        Program(user="root"),
        Program("curl"),
    ],
)
def test_what_is_written_of_a_program_is_read_back(program: Program) -> None:
    assert read_comment(write_comment(program), "pcapleak") == program
    assert read_comment(write_comment(program)) is None


def beside_tunnel(tmp_path: Path, allow: list[str], *comments: str) -> set[str]:
    build = Pcapng("<")
    raw = (
        build.section() + build.interface(1, 0, (2, b"eth0")) + build.interface(RAW, 0, (2, b"wg0"))
    )
    carrier = LINK + udp_packet(CLIENT, 40000, VPN, 51820, wireguard_initiation())
    raw += build.packet(carrier, TICKS)
    for comment in comments:
        raw += build.packet(FRAME, TICKS + 1000, 0, (COMMENT, comment.encode()))
    path = tmp_path / "a.pcapng"
    path.write_bytes(raw)
    policy = Policy.from_options(tunnel=["wg0"], vpn_endpoint=[f"{VPN}:51820"], allow=allow)
    return {flow.path for flow in pcapleak.analyze(path, policy).document.flows}


A, B = "PID=1 ProcessName=a.exe", "PID=2 ProcessName=b.exe"


@pytest.mark.parametrize("name", ["a.exe", "A.EXE", "a"])
def test_a_program_that_is_allowed_may_go_outside(name: str, tmp_path: Path) -> None:
    assert "bypass" not in beside_tunnel(tmp_path, [f"process:{name}"], A)


@pytest.mark.parametrize(
    ("name", "comments"),
    [
        ("a.exe", (B,)),
        ("a.exe", (A, B)),
        ("exe", (A,)),
        ("1", (A,)),
        ("a.exe", ("PID=1 ProcessName=a.exe.b",)),
        ("a.exe", ("see PID=1 ProcessName=a.exe",)),
    ],
)
def test_another_program_or_a_second_one_on_the_flow_may_not(
    name: str, comments: tuple[str, ...], tmp_path: Path
) -> None:
    assert "bypass" in beside_tunnel(tmp_path, [f"process:{name}"], *comments)


def test_programs_are_bounded_and_what_is_dropped_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracker, "MAX_FLOWS", 2)
    programs = ProgramTracker()
    for flow in range(3):
        programs.add(flow, Program("a"))
    for number in range(6):
        programs.add(0, Program(str(number)))
    assert len(programs) == 2
    assert len(programs.of(0)) == tracker.MAX_OF_A_FLOW
    assert programs.dropped == 4


@pytest.mark.parametrize(
    ("program", "word", "called"),
    [
        (Program("Google Chrome He"), "Google Chrome Helper", True),
        (Program("curl", path="/usr/bin/curl"), "curl", True),
        (Program("x", path="C:\\Apps\\Firefox.exe"), "firefox", True),
        (Program("com.brave.browser", title="Brave"), "brave", True),
        (Program("ssh"), "sh", False),
        (Program("a"), "", False),
        (Program(user="chronyd"), "chronyd", False),
    ],
)
def test_a_program_is_called_by_its_whole_name(program: Program, word: str, called: bool) -> None:
    assert program.is_called(word) is called


def test_redaction_renames_programs_and_users_and_keeps_who_is_who(tmp_path: Path) -> None:
    build = Pcapng("<")
    raw = build.section() + build.interface(1, 0, (2, b"eth0"))
    for frame, comments in (
        (FRAME, ("PID: 12\nCmd: /opt/Juliet/curl.exe\nArgs: x", "UserId: 7\nUserName: juliet")),
        (OTHER, ("PID: 13\nCmd: /opt/Juliet/curl.exe\nArgs: x", "UserId: 8\nUserName: user")),
    ):
        raw += build.packet(frame, TICKS, 0, *((COMMENT, text.encode()) for text in comments))
    before, after = tmp_path / "before.pcapng", tmp_path / "after.pcapng"
    before.write_bytes(raw)
    done = redact_capture(before, after, bytes(range(32)))
    assert done.dropped == ["2 packet comments"]
    written = after.read_bytes().lower()
    assert b"juliet" not in written and b"curl" not in written
    one, other = named(tmp_path / "again.pcapng", after.read_bytes())
    renamer = Renamer(bytes(range(32)))
    curl = renamer.program("curl.exe")
    assert curl.endswith(".exe") and renamer.program("CURL") == curl.removesuffix(".exe")
    assert one == f"{curl} (pid 12, user {renamer.program('juliet')})"
    assert other == f"{curl} (pid 13, user {renamer.program('user')})"


@pytest.mark.parametrize("kept", [False, True], ids=["blanked", "kept"])
def test_redaction_keeps_what_pktap_tells_under_other_names(kept: bool, tmp_path: Path) -> None:
    build = Pcapng("<")
    raw = build.section() + build.interface(258)
    for name, program in ((b"en0", b"wireguard-go"), (b"utun3", b"JulietsApp")):
        raw += build.packet(pktap(name, 400, program) + FRAME, TICKS)
    before, after = tmp_path / "before.pcapng", tmp_path / "after.pcapng"
    before.write_bytes(raw)
    redact_capture(before, after, bytes(range(32)), keep_payload=kept)
    written = after.read_bytes().lower()
    assert b"juliet" not in written and b"wireguard" not in written
    document = pcapleak.analyze(after, all_flows=True).document
    renamer = Renamer(bytes(range(32)))
    assert {flow.interface: flow.process for flow in document.flows} == {
        "en0": f"{renamer.program('wireguard-go')} (pid 400)",
        "utun3": f"{renamer.program('JulietsApp')} (pid 400)",
    }


def test_redaction_renames_what_trailers_and_filters_name(tmp_path: Path) -> None:
    build = Pcapng("<")
    filters = b"\0not host " + STUN.encode() + b" and not host nas.juliet.example and port 53"
    raw = build.section() + build.interface(1, 0, (2, b"eth0"), (11, filters))
    trailer = struct.pack(">Ii20sI", 0x01072021, 10123, b"JulietsApp", 0)
    raw += build.packet(FRAME + trailer, TICKS)
    before, after = tmp_path / "before.pcapng", tmp_path / "after.pcapng"
    before.write_bytes(raw)
    (shown,) = named(before, raw)
    assert shown == "JulietsApp (user 10123)"
    redact_capture(before, after, bytes(range(32)))
    written = after.read_bytes().lower()
    assert b"juliet" not in written and STUN.encode() not in written
    renamer = Renamer(bytes(range(32)))
    document = pcapleak.analyze(after, all_flows=True).document
    (flow,) = document.flows
    assert flow.process == f"{renamer.program('JulietsApp')} (user 10123)"
    (told,) = [interface.filter for interface in document.captures[0].interfaces]
    assert told is not None and told.startswith("not host ") and told.endswith(" and port 53")


def test_a_finding_names_the_program_and_that_no_answer_gave_the_address(tmp_path: Path) -> None:
    recording = Recording()
    recording.tunnel()
    request = b"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n"
    recording.tcp(100, ETH0, CLIENT, 40000, WEB, 80, request)
    silent = judged(recording, TUNNEL_POLICY, tmp_path)
    flow = next(flow for flow in silent.flows if flow.server_name)
    assert flow.path == "bypass" and flow.unanswered
    said = f"no DNS answer was seen for {WEB}, which the client calls www.example.com"
    assert any(said in finding.reasons for finding in silent.findings)
    recording.exchange(
        50, ETH0, CLIENT, 40001, RESOLVER, 53,
        dns_query("www.example.com"), dns_answer("www.example.com", WEB),
    )  # fmt: skip
    told = judged(recording, TUNNEL_POLICY, tmp_path)
    assert not any(flow.unanswered for flow in told.flows)
    assert not any(said in finding.reasons for finding in told.findings)


def test_findings_tables_and_pages_name_the_program(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    build = Pcapng("<")
    raw = build.section() + build.interface(1, 0, (2, b"eth0"), (3, b"the wire"))
    raw += build.interface(RAW, 0, (2, b"wg0"))
    raw += build.packet(LINK + udp_packet(CLIENT, 40000, VPN, 51820, wireguard_initiation()), TICKS)
    comment = b"PID=1 ProcessName=<b>evil</b>.exe"
    for at in range(3):
        raw += build.packet(FRAME, TICKS + 1000 * at, 0, (COMMENT, comment))
    path.write_bytes(raw)
    policy = Policy.from_options(tunnel=["wg0"], vpn_endpoint=[f"{VPN}:51820"])
    report = pcapleak.analyze(path, policy)
    name = "<b>evil</b>.exe (pid 1)"
    assert name in {finding.process for finding in report.document.findings}
    assert name in set(report.findings["process"])
    page = report.to_html()
    assert "&lt;b&gt;evil&lt;/b&gt;.exe (pid 1)" in page and "<b>evil" not in page
    assert report.document.captures[0].interfaces[0].description == "the wire"
    assert "the wire" in page
