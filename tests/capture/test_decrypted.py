"""Candidates signalled inside TLS, read by keys: real servers, recorded by dumpcap."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cli_runs import run
from conftest import ROOT, need_tool

from pcapleak import analyze
from pcapleak.capture import PcapngWriter, decrypted, open_capture
from pcapleak.pipeline import inputs
from pcapleak.report.document import Candidate, Document

NAME = "5bbd4f2a-1e0d-4a6b-9c57-2f1e0d9c8b7a.local"
LINES = (
    f"candidate:1 1 udp 2113937151 {NAME} 51000 typ host generation 0 ufrag aB3d network-cost 999",
    "candidate:2 1 udp 1677729535 203.0.113.7 51000 typ srflx raddr 0.0.0.0 rport 0"
    " generation 0 ufrag aB3d network-cost 999",
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate and its key in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "signalling.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def contexts(certificate: Path, key_log: Path, alpn: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate)
    server.set_alpn_protocols([alpn])
    client = ssl.create_default_context()
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.set_alpn_protocols([alpn])
    client.keylog_filename = str(key_log)
    return server, client


@contextmanager
def recording(path: Path, port: int) -> Iterator[None]:
    """dumpcap on the loopback, of one port."""
    dumpcap = need_tool("dumpcap")
    if os.geteuid() != 0:
        pytest.skip("needs root to record")
    command = [dumpcap, "-q", "-i", "lo", "-f", f"tcp port {port}", "-w", str(path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("File:"):
                break
        yield
        time.sleep(1)  # dumpcap takes packets from the kernel in blocks
        process.send_signal(signal.SIGINT)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def talk_websocket(port: int, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    """An offer without candidates, then trickled ones, compressed as browsers do."""
    from websockets.asyncio.client import connect
    from websockets.asyncio.server import serve

    async def run() -> None:
        async def answer(connection: object) -> None:
            async for _ in connection:  # type: ignore[attr-defined]
                await connection.send('{"ok": true}')  # type: ignore[attr-defined]

        address = f"wss://127.0.0.1:{port}/room"
        async with (
            serve(answer, "127.0.0.1", port, ssl=server_tls),
            connect(address, ssl=client_tls, proxy=None) as client,
        ):
            await client.send(json.dumps({"type": "offer", "sdp": "v=0\r\na=ice-ufrag:aB3d\r\n"}))
            await client.recv()
            for line in LINES:
                body = {"candidate": {"candidate": line, "usernameFragment": "aB3d"}}
                await client.send(json.dumps(body))
                await client.recv()

    asyncio.run(run())


def talk_http2(port: int, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    """A description posted as WHIP does (RFC 9725), once plain and once compressed."""
    import h2.config
    import h2.connection
    import h2.events

    def serve(listener: socket.socket) -> None:
        raw, _ = listener.accept()
        with server_tls.wrap_socket(raw, server_side=True) as stream:
            server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
            server.initiate_connection()
            stream.sendall(server.data_to_send())
            while data := stream.recv(65535):
                for event in server.receive_data(data):
                    if isinstance(event, h2.events.StreamEnded):
                        server.send_headers(event.stream_id, [(":status", "201")], end_stream=True)
                stream.sendall(server.data_to_send())

    description = "v=0\r\na=ice-ufrag:aB3d\r\n" + "".join(f"a={line}\r\n" for line in LINES)
    bodies = ((description.encode(), None), (gzip.compress(description.encode()), "gzip"))
    with socket.create_server(("127.0.0.1", port)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        with (
            socket.create_connection(("127.0.0.1", port)) as raw,
            client_tls.wrap_socket(raw) as stream,
        ):
            client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
            client.initiate_connection()
            for number, (body, coding) in enumerate(bodies):
                headers = [
                    (":method", "POST"),
                    (":path", "/whip"),
                    (":scheme", "https"),
                    (":authority", "signalling.example"),
                    ("content-type", "application/sdp"),
                    *([("content-encoding", coding)] if coding else []),
                ]
                client.send_headers(2 * number + 1, headers)
                client.send_data(2 * number + 1, body, end_stream=True)
            stream.sendall(client.data_to_send())
            ended = 0
            while ended < len(bodies):
                events = client.receive_data(stream.recv(65535))
                ended += sum(isinstance(event, h2.events.StreamEnded) for event in events)
        thread.join()


TALKS = {"websocket": (talk_websocket, "http/1.1"), "http2": (talk_http2, "h2")}


@pytest.fixture(scope="module", params=list(TALKS))
def recorded(
    request: pytest.FixtureRequest,
    certificate: Path,
    tmp_path_factory: pytest.TempPathFactory,
    tshark: str,
) -> tuple[str, Path, Path]:
    """The channel, a capture of it, and its key log."""
    channel: str = request.param
    talk, alpn = TALKS[channel]
    folder = tmp_path_factory.mktemp(channel)
    capture, key_log, port = folder / "tls.pcapng", folder / "keys.log", free_port()
    with recording(capture, port):
        talk(port, *contexts(certificate, key_log, alpn))
    return channel, capture, key_log


def candidates(document: Document) -> list[Candidate]:
    return [one for session in document.ice_sessions for one in session.candidates]


def test_keys_give_the_candidates_that_tls_carried(recorded: tuple[str, Path, Path]) -> None:
    channel, capture, key_log = recorded
    document = analyze(capture, key_log=key_log).document
    (session,) = document.ice_sessions
    assert [one.line for one in session.candidates] == list(LINES)
    assert {one.evidence for one in session.candidates} == {"signalled"}
    assert all(
        f"signalled over {channel} in frame" in one.reasons[-1] for one in candidates(document)
    )
    assert session.client_addresses == ["127.0.0.1"]
    assert session.username_fragments == ["aB3d"]
    assert session.ip_handling_mode.mode == 2
    assert session.candidates[0].mdns_name == NAME
    assert session.candidates[1].address == str(ip_address("203.0.113.7"))
    assert "PL107" not in {finding.id for finding in document.findings}


def test_without_keys_tls_keeps_its_candidates(recorded: tuple[str, Path, Path]) -> None:
    _, capture, _ = recorded
    assert analyze(capture).document.ice_sessions == []


def test_works_inside_a_running_event_loop(recorded: tuple[str, Path, Path]) -> None:
    _, capture, key_log = recorded

    async def notebook() -> int:
        return len(candidates(analyze(capture, key_log=key_log).document))

    assert asyncio.run(notebook()) == len(LINES)


def test_secrets_inside_a_capture_are_used(
    recorded: tuple[str, Path, Path], tmp_path: Path
) -> None:
    _, capture, key_log = recorded
    editcap, target = need_tool("editcap"), tmp_path / "with-secrets.pcapng"
    subprocess.run([editcap, "--inject-secrets", f"tls,{key_log}", capture, target], check=True)
    assert [one.line for one in candidates(analyze(target).document)] == list(LINES)


def test_a_capture_cut_in_mid_packet_gives_what_came_before(
    recorded: tuple[str, Path, Path], tmp_path: Path
) -> None:
    _, capture, key_log = recorded
    target = tmp_path / "cut.pcapng"
    target.write_bytes(capture.read_bytes()[:-200])
    document = analyze(target, key_log=key_log).document
    assert document.captures[0].truncated
    assert [one.line for one in candidates(document)] == list(LINES)


def test_frames_of_merged_captures_count_over_all(
    recorded: tuple[str, Path, Path], tmp_path: Path
) -> None:
    _, capture, key_log = recorded
    demo = ROOT / "captures" / "socks.pcapng"
    alone = candidates(analyze(capture, key_log=key_log).document)
    report = analyze([demo, capture], key_log=key_log, merge=True)
    merged = [one for one in candidates(report.document) if one.username_fragment == "aB3d"]
    first, second = sorted(report.document.captures, key=lambda each: each.first_time or 0)
    before = first.packets if str(capture) == second.path else 0
    assert [[at + before for at in one.frames] for one in alone] == [one.frames for one in merged]


def test_the_labs_signalling_inside_tls_proves_its_names(tshark: str) -> None:
    document = analyze(ROOT / "captures" / "signalling-tls.pcapng").document
    told = [one for one in candidates(document) if "signalled over websocket" in one.reasons[-1]]
    key = json.loads((ROOT / "captures" / "signalling-tls.json").read_text())
    assert {one.line for one in told} == {one["line"] for one in key["candidates"]}
    proofs = [one.mdns_link for one in told if one.mdns_name]
    assert proofs
    assert all(link is not None and link.confidence == "certain" for link in proofs)


def with_secrets(path: Path, secrets: bytes) -> Path:
    """The laboratory's recording inside TLS, with other secrets than its own in it."""
    with open_capture(ROOT / "captures" / "socks.pcapng") as source, PcapngWriter(path) as writer:
        writer.add_secrets(secrets)
        for batch in source:
            for row in range(len(batch)):
                start = int(batch.offset[row])
                data = batch.data[start : start + int(batch.captured_length[row])].tobytes()
                interface = source.interfaces[int(batch.interface[row])]
                writer.write(interface, int(batch.ts_ns[row]), data, len(data))
    return path


@pytest.mark.parametrize(
    ("secrets", "starts"),
    [
        (b"#hello\n", False),
        (b"CLIENT_RANDOM 00 00\n", False),
        (b"# CLIENT_RANDOM " + b"ab" * 32 + b" " + b"cd" * 48 + b"\n", False),
        (b"CLIENT_RANDOM " + b"ab" * 32 + b" " + b"cd" * 48 + b"\n", True),
    ],
)
def test_only_keys_start_tshark(
    secrets: bytes, starts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []

    def read(path: str, key_log: Path | None) -> decrypted.Decrypted:
        started.append(path)
        return decrypted.Decrypted([], None)

    monkeypatch.setattr(inputs, "read_decrypted", read)
    monkeypatch.setattr(inputs, "tshark_missing", lambda: False)
    analyze(with_secrets(tmp_path / "secrets.pcapng", secrets))
    assert bool(started) == starts


def test_what_takes_too_long_is_ended_and_told(
    tshark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decrypted, "MAX_SECONDS", 0.05)
    document = analyze(ROOT / "captures" / "signalling-tls.pcapng").document
    assert any("read in part" in problem for problem in document.captures[0].problems)


def test_the_command_reads_with_a_key_log(recorded: tuple[str, Path, Path]) -> None:
    _, capture, key_log = recorded
    result = run("analyze", capture, "--keylog", key_log, "--json", "-", "--exit-zero")
    (session,) = json.loads(result.stdout)["ice_sessions"]
    assert [one["line"] for one in session["candidates"]] == list(LINES)


def test_what_decryption_lacks_is_said_in_one_line(tmp_path: Path) -> None:
    key_log = tmp_path / "keys.log"
    demo = ROOT / "captures" / "socks.pcapng"
    missing = run("analyze", demo, "--keylog", key_log)
    assert (missing.returncode, missing.stderr.count("\n")) == (2, 1)
    assert "no such key log" in missing.stderr
    key_log.touch()
    alone = run("analyze", demo, "--keylog", key_log, PATH=str(tmp_path))
    assert (alone.returncode, alone.stderr.count("\n")) == (2, 1)
    assert "needs tshark" in alone.stderr


def test_a_pipe_cannot_be_decrypted(tshark: str, tmp_path: Path) -> None:
    key_log = tmp_path / "keys.log"
    key_log.touch()
    demo = ROOT / "captures" / "socks.pcapng"
    piped = run("analyze", "-", "--keylog", key_log, stdin=demo.read_bytes())
    assert (piped.returncode, piped.stderr.count("\n")) == (2, 1)
    assert "second reading" in piped.stderr


def test_secrets_without_tshark_are_a_remark_of_the_report(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    document = analyze(ROOT / "captures" / "signalling-tls.pcapng").document
    assert any("needs tshark" in problem for problem in document.captures[0].problems)
    assert document.verdict.result == "leak"
