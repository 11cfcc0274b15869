"""One end of a connectivity check that no current browser makes any more.

``python -m captures.lab.v4mapped answer`` answers from a dual-stack socket and reports what its
kernel calls the sender, an IPv4-mapped IPv6 address, as Chromium did until 2021;
``... check`` asks it once.
"""

from __future__ import annotations

import socket
import sys

from aioice import stun

from .network import PEER

_PORT = 40000
_PASSWORD = b"a-password-of-twenty-two"


def _check() -> None:
    check = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    check.attributes["USERNAME"] = "PEER:HERE"
    check.attributes["PRIORITY"] = 1845504255  # libwebrtc's, for an IPv6 base
    check.attributes["ICE-CONTROLLING"] = 0x932FF9B151263B36
    check.add_message_integrity(_PASSWORD)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
        here.settimeout(5)
        here.sendto(bytes(check), (PEER, _PORT))
        answer = stun.parse_message(here.recv(1500))
    print("mapped", answer.attributes["XOR-MAPPED-ADDRESS"][0], flush=True)


def _answer() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as here:
        here.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        here.bind(("::", _PORT))
        print("ready", flush=True)
        while True:
            data, sender = here.recvfrom(1500)
            check = stun.parse_message(data)
            answer = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, check.transaction_id)
            answer.attributes["XOR-MAPPED-ADDRESS"] = sender[:2]
            answer.add_message_integrity(_PASSWORD)
            here.sendto(bytes(answer), sender)


if __name__ == "__main__":
    {"check": _check, "answer": _answer}[sys.argv[1]]()
