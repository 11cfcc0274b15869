"""Fuzz DNS and the smaller decoders: `python tests/fuzz/fuzz_dns.py`.

Takes libFuzzer's options, such as `-max_total_time=60`. Whatever the bytes, a value or the one
decode error comes out; anything else is a crash, to be kept as a case in tests/.
"""

from __future__ import annotations

import contextlib
import sys

import atheris

with atheris.instrument_imports(include=["pcapleak"]):
    from pcapleak.errors import DecodeError
    from pcapleak.protocols.dhcp import decode_dhcp
    from pcapleak.protocols.dns import decode_dns
    from pcapleak.protocols.dtls import decode_dtls
    from pcapleak.protocols.http import parse_head
    from pcapleak.protocols.ike import decode_ike
    from pcapleak.protocols.ndp import decode_router_advertisement
    from pcapleak.protocols.openvpn import decode_openvpn
    from pcapleak.protocols.quic import decode_quic
    from pcapleak.protocols.rtp import decode_rtp
    from pcapleak.protocols.socks import decode_socks_udp, parse_request
    from pcapleak.protocols.tls import decode_client_hello, parse_hello_records
    from pcapleak.protocols.wireguard import decode_wireguard


def one_input(data: bytes) -> None:
    for decode in (
        decode_dhcp, decode_dtls, parse_head, decode_ike, decode_router_advertisement,
        decode_openvpn, decode_quic, decode_rtp, decode_socks_udp, parse_request,
        parse_hello_records, decode_client_hello, decode_wireguard,
    ):  # fmt: skip
        with contextlib.suppress(DecodeError):
            decode(data)
    for protocol in ("dns", "mdns"):
        # A sound header in front lets random bytes get to the names and records.
        for wire in (data, b"\0\1\x84\0\0\1\0\2\0\1\0\1" + data):
            with contextlib.suppress(DecodeError):
                message = decode_dns(wire, protocol)  # type: ignore[arg-type]
                records = message.answers + message.authorities + message.additionals
                assert 5 * len(message.questions) + 11 * len(records) <= len(wire)
                _ = message.client_subnet, message.goodbyes


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
