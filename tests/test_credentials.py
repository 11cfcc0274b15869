"""Integrity of recorded messages, proved by what the user or signalling told."""

from __future__ import annotations

import hashlib
import json

import pytest
from stun_encoder import attribute, check, message

from pcapleak.model import Context, Endpoint, address_of
from pcapleak.protocols.http import HttpRequest
from pcapleak.protocols.stun import decode_stun
from pcapleak.protocols.websocket import WebSocketMessage
from pcapleak.tracking import credentials
from pcapleak.tracking.credentials import Credential, Credentials

ID = b"t" * 12
PASSWORD = "receiversPasswordOf22+"
OTHER = "sendersPasswordOf22/ch"
SDP = f"a=ice-ufrag:Recv\r\na=ice-pwd:{PASSWORD}\r\n"


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
