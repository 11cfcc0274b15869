"""Integrity of recorded messages, proved by what the user or signalling told."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from urllib.parse import urlencode

import pytest
from places import CAPTURES
from stun_encoder import attribute, check, message

from pcapleak import analyze
from pcapleak.decode.ice.terms import ice_passwords
from pcapleak.decode.stun.decoder import decode_stun
from pcapleak.decode.web.http import HttpRequest
from pcapleak.decode.web.websocket import WebSocketMessage
from pcapleak.explain import credentials
from pcapleak.explain.credentials import Credential, Credentials
from pcapleak.redact import redact_capture
from pcapleak.track.flows.table import FlowTable
from pcapleak.track.ice.multicast import Multicast
from pcapleak.track.ice.sessions import build_sessions
from pcapleak.track.ice.tracker import IceTracker
from pcapleak.track.names import NameTracker
from pcapleak.track.signalling import SignallingTracker
from pcapleak.values.endpoints import address_of
from pcapleak.values.packets import Context, Endpoint

ID = b"t" * 12
PASSWORD = "receiversPasswordOf22+"
OTHER = "sendersPasswordOf22/ch"
SDP = f"a=ice-ufrag:Recv\r\na=ice-pwd:{PASSWORD}\r\n"


SILENT = Multicast(FlowTable(), [], is_cut=False, is_filtered=False)


def at(flow: int = 0) -> Context:
    client, server = Endpoint(address_of(4, 0, 1), 1), Endpoint(address_of(4, 0, 2), 2)
    return Context(1, 1, 0, 0, "udp", client, server, flow, True)


def answer(password: str, flow_id: bytes = ID) -> bytes:
    return message(0x0101, b"", flow_id, key=password.encode())


@pytest.mark.parametrize(
    "signalled",
    [
        HttpRequest("POST", "/offer", "1.1", (), SDP.encode()),
        WebSocketMessage("text", json.dumps({"sdp": SDP}).encode()),
        WebSocketMessage("text", f"a=ice-pwd:{PASSWORD}\r\na=ice-ufrag:Recv\r\n".encode()),
    ],
)
def test_signalled_passwords_prove_checks_and_their_answers(signalled: object) -> None:
    """A check is made with the receiver's password, its answer with the same one."""
    known = Credentials()
    request = decode_stun(check(password=PASSWORD))
    assert known.prove(at(), request) is None
    known.learn(signalled)
    assert known.prove(at(), request) == "ok"
    assert known.prove(at(), decode_stun(answer(PASSWORD, request.transaction_id))) == "ok"
    assert known.prove(at(), decode_stun(answer(OTHER, request.transaction_id))) == "bad"
    assert known.prove(at(1), decode_stun(answer(PASSWORD, request.transaction_id))) is None
    assert known.prove(at(), decode_stun(check(password=OTHER))) == "bad"


def test_half_a_description_tells_no_password() -> None:
    known = Credentials()
    known.learn(WebSocketMessage("text", SDP.encode() + b"a=ice-ufrag:More\r\n"))
    assert known.prove(at(), decode_stun(check(password=PASSWORD))) is None


def test_a_given_user_proves_answers_whose_request_was_not_seen() -> None:
    key = hashlib.md5(b"user:example.org:secret").digest()
    refreshed = decode_stun(message(0x0104, attribute(0x000D, bytes(4)), ID, key=key))
    assert Credentials(Credential("secret")).prove(at(), refreshed) is None
    given = Credentials(Credential("secret", "user", "example.org"))
    assert given.prove(at(), refreshed) == "ok"


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest agent is forgotten first."""
    monkeypatch.setattr(credentials, "MAX_KNOWN", 2)
    known = Credentials()
    known.learn(WebSocketMessage("text", SDP.encode()))
    for name in ("aaaa", "bbbb"):
        text = f"a=ice-ufrag:{name}\na=ice-pwd:{OTHER}\n"
        known.learn(WebSocketMessage("text", text.encode()))
    assert known.prove(at(), decode_stun(check(password=PASSWORD))) is None


@pytest.mark.parametrize(
    ("text", "passwords"),
    [
        (SDP, {"Recv": PASSWORD}),
        (json.dumps({"sdp": SDP}), {"Recv": PASSWORD}),
        (f"a=ice-ufrag:Send\na=ice-pwd:{OTHER}\n".replace("/", "\\/"), {"Send": OTHER}),
        (urlencode({"sdp": SDP}), {"Recv": PASSWORD}),
        ("a=ice-ufrag:Recv\r\n", {}),
        ("a=ice-pwd:abc\r\n", {}),
        ("", {}),
    ],
)
def test_passwords_are_found_in_every_form_of_a_description(
    text: str, passwords: dict[str, str]
) -> None:
    assert ice_passwords(text.encode()) == passwords


# In the reports of real captures


def integrity(name: str) -> list[tuple[str, str] | None]:
    sessions = analyze(CAPTURES / name).document.ice_sessions
    return [
        None if one.integrity is None else (one.integrity.state, one.integrity.reasons[0])
        for one in sessions
    ]


def test_recorded_checks_are_proved_by_the_passwords_recorded_beside_them() -> None:
    made = "the check in frame {} was made with the password signalled over websocket in frame {}"
    assert integrity("signalling-clear.pcapng") == [
        ("proved", made.format(117, 97)),
        ("proved", made.format(116, 84)),
    ]


def test_passwords_inside_tls_prove_checks_where_the_keys_are_there(tshark: str) -> None:
    found = integrity("signalling-tls.pcapng")
    assert len(found) == 2
    assert all(one is not None and one[0] == "proved" for one in found)


def test_a_capture_without_signalling_proves_nothing() -> None:
    assert set(integrity("loop.pcapng")) == {None}


@pytest.mark.parametrize(
    ("password", "state"), [(PASSWORD, "proved"), (OTHER, "failed"), (None, None)]
)
def test_a_session_says_whose_password_made_its_checks(
    password: str | None, state: str | None
) -> None:
    """Signalling may be seen later than the checks: decrypted text comes last."""
    ice, signalling = IceTracker(), SignallingTracker()
    ice.add(at(), decode_stun(check(password=PASSWORD)))
    if password is not None:
        text = f"a=ice-ufrag:Recv\r\na=ice-pwd:{password}\r\n"
        signalling.add(at(), WebSocketMessage("text", text.encode()))
    (session,) = build_sessions(ice.links, ice.browsers, NameTracker(), signalling, [], SILENT, {})
    assert (session.integrity and session.integrity.state) == state


def test_what_redaction_blanked_proves_nothing(tmp_path: Path) -> None:
    redacted = tmp_path / "redacted.pcapng"
    redact_capture(CAPTURES / "signalling-clear.pcapng", redacted, bytes(range(32)))
    sessions = analyze(redacted).document.ice_sessions
    assert sessions
    assert {session.integrity for session in sessions} == {None}
