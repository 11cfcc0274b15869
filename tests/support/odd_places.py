"""Packets that name somebody in every place where a protocol we know has room for it.

`frames` gives Ethernet frames and, by number, the place each is about. Written from the protocols'
specifications, with nothing of the program.
"""

from __future__ import annotations

import base64
import gzip
import struct
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from itertools import count

from builders import ACK, PSH, SYN, dns_name, ip_packet, tcp_packet, udp_packet
from message_bytes import hello
from stun_encoder import attribute, message, xor_address

ADDRESS, ADDRESS6 = "185.44.77.91", "2a01:4f8:77:1234:9d3f:61c2:88ab:4d21"
MAC = bytes.fromhex("00082b4455a6")
NAME, SECRET = "alicesmithson", "hunter2passphrase"
HOST, SERVER = "192.168.50.42", "91.198.174.192"
HOST6, SERVER6 = "2a01:4f8:77:1234::42", "2606:2800:220:1::7"
FOUR, SIX = ip_address(ADDRESS).packed, ip_address(ADDRESS6).packed

RAW = FOUR + SIX + MAC
TEXT = f"{ADDRESS} {ADDRESS6} {MAC.hex(':')} {NAME} {SECRET}".encode()
FORMS: dict[str, bytes] = {
    "raw": RAW,
    "text": TEXT,
    "hexadecimal": RAW.hex().encode() + NAME.encode().hex().encode(),
    "reversed": RAW[::-1] + NAME[::-1].encode(),
    "base64": base64.b64encode(RAW) + base64.b64encode(TEXT),
    "mapped": bytes(10) + b"\xff\xff" + FOUR,
    "little": struct.pack("<I", int(ip_address(ADDRESS))),
    "number": str(int(ip_address(ADDRESS))).encode(),
    "punycode": b"xn--" + NAME.encode() + b"-x7a",
    "PTR": ip_address(ADDRESS).reverse_pointer.encode(),
}
SHORT = {"raw": FOUR, "text": NAME.encode(), "hexadecimal": FOUR.hex().encode()}
"""For places of some bytes."""

Made = bytes | list[bytes]


def _ethernet(payload: bytes, kind: int | None = None, trailer: bytes = b"") -> bytes:
    if kind is None:
        kind = 0x800 if payload[0] >> 4 == 4 else 0x86DD
    return b"\2\0\0\0\0\1" + MAC + struct.pack("!H", kind) + payload + trailer


def _udp(port: int, data: bytes, source: int = 40000) -> bytes:
    return _ethernet(udp_packet(HOST, source, SERVER, port, data))


_PORTS = count(40001)


def _talk(port: int, *said: bytes) -> list[bytes]:
    """A connection of which client and server say something by turns."""
    own = next(_PORTS)
    ends = [(HOST, own, SERVER, port), (SERVER, port, HOST, own)]
    frames = [tcp_packet(*ends[0], SYN, 10), tcp_packet(*ends[1], SYN | ACK, 20)]
    seq = [11, 21]
    for turn, data in enumerate(said):
        way = turn % 2
        frames.append(tcp_packet(*ends[way], PSH | ACK, seq[way], data))
        seq[way] += len(data)
    return [_ethernet(frame) for frame in frames]


def _dns(kind: int, data: bytes, port: int = 53) -> bytes:
    name = dns_name("www.example.com")
    head = struct.pack("!HHHHHH", 7, 0x8180, 1, 1, 0, 0) + name + struct.pack("!HH", kind, 1)
    record = b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(data)) + data
    return _ethernet(udp_packet(SERVER, port, HOST, 40000, head + record))


def _edns(code: int, data: bytes) -> bytes:
    options = struct.pack("!HH", code, len(data)) + data
    head = struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 1) + dns_name("example.com") + b"\0\1\0\1"
    return _udp(53, head + b"\0" + struct.pack("!HHIH", 41, 1232, 0, len(options)) + options)


def _question(name: bytes, port: int = 53) -> bytes:
    labels = b"".join(bytes([len(part)]) + part for part in name.split(b".")) + b"\0"
    return _udp(port, struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0) + labels + b"\0\1\0\1")


def _dhcp(code: int, data: bytes) -> bytes:
    body = b"\1\1\6\0\0\0\x12\x34" + bytes(20) + MAC + bytes(10) + bytes(192) + b"\x63\x82\x53\x63"
    body += b"\x35\1\3" + bytes([code, len(data)]) + data + b"\xff"
    return _ethernet(udp_packet("0.0.0.0", 68, "255.255.255.255", 67, body))


def _stun(kind: int, data: bytes) -> bytes:
    return _udp(3478, message(0x0101, attribute(kind, data), b"q" * 12, fingerprint=True))


def _http(line: str, value: bytes) -> list[bytes]:
    head = line.encode().replace(b"%", value.replace(b"\0", b"?"))
    return _talk(80, b"GET / HTTP/1.1\r\nHost: example.com\r\n" + head + b"\r\n\r\n", b"x")


def _answer(line: str, value: bytes, body: bytes = b"") -> list[bytes]:
    head = line.encode().replace(b"%", value)
    ask = b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"
    return _talk(80, ask, head + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def _posted(kind: str, body: bytes, coding: str = "") -> list[bytes]:
    head = f"POST /x HTTP/1.1\r\nHost: example.com\r\nContent-Type: {kind}\r\n"
    head += f"Content-Encoding: {coding}\r\n" if coding else ""
    return _talk(80, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body, b"x")


def _sip(line: str, value: bytes) -> bytes:
    head = b"INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060\r\n"
    head += line.encode().replace(b"%", value)
    return _udp(5060, head + b"\r\nContent-Length: 0\r\n\r\n")


def _socket(data: bytes) -> list[bytes]:
    ask = (
        b"GET /w HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    )
    agreed = b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    return _talk(80, ask, agreed, data)


def _frame(opcode: int, text: bytes) -> bytes:
    size = bytes([len(text) | 0x80]) if len(text) < 126 else b"\xfe" + struct.pack("!H", len(text))
    mask = b"\x37\xfa\x21\x3d"
    body = bytes(c ^ mask[i % 4] for i, c in enumerate(text))
    return bytes([0x80 | opcode]) + size + mask + body


def _quic(dcid: bytes, scid: bytes, rest: bytes) -> bytes:
    head = b"\xc3\0\0\0\1" + bytes([len(dcid)]) + dcid + bytes([len(scid)]) + scid
    return _udp(443, head + rest)


def _extension(kind: int, data: bytes) -> list[bytes]:
    extension = struct.pack("!HH", kind, len(data)) + data
    body = b"\3\3" + bytes(32) + b"\0" + b"\0\2\x13\1" + b"\1\0"
    body += struct.pack("!H", len(extension)) + extension
    shake = b"\1" + len(body).to_bytes(3, "big") + body
    return _talk(443, b"\x16\3\1" + struct.pack("!H", len(shake)) + shake, b"x")


def _icmp(kind: int, data: bytes) -> bytes:
    return _ethernet(ip_packet(HOST, SERVER, 1, bytes([kind, 0, 0, 0, 0, 1, 0, 1]) + data))


def _icmp6(kind: int, data: bytes) -> bytes:
    return _ethernet(ip_packet(HOST6, SERVER6, 58, bytes([kind, 0, 0, 0, 0, 0, 0, 0]) + data))


def _four(options: bytes) -> bytes:
    options += b"\0" * (-len(options) % 4)
    packet = ip_packet(HOST, SERVER, 17, options + udp_packet(HOST, 1, SERVER, 9, b"hi")[20:])
    return _ethernet(bytes([0x45 + len(options) // 4]) + packet[1:])


def _six(kind: int, data: bytes) -> bytes:
    data = bytes([17, 0]) + data
    data += bytes(-len(data) % 8)
    data = data[:1] + bytes([len(data) // 8 - 1]) + data[2:]
    return _ethernet(ip_packet(HOST6, SERVER6, kind, data + b"\0\1\0\x09\0\x0a\0\0hi"))


def _tcp_option(kind: int, data: bytes) -> bytes:
    option = bytes([kind, 2 + len(data)]) + data
    option += b"\1" * (-len(option) % 4)
    head = struct.pack("!HHIIBBHHH", 40000, 80, 1, 1, (20 + len(option)) << 2, 16, 999, 0, 0)
    return _ethernet(ip_packet(HOST, SERVER, 6, head + option))


def _login(name: bytes, word: bytes) -> list[bytes]:
    login = b"\1" + bytes([len(name)]) + name + bytes([len(word)]) + word
    return _talk(1080, b"\5\1\2", b"\5\2", login, b"\1\0")


PLACES: dict[str, Callable[[bytes], Made]] = {
    "a payload of UDP": lambda x: _udp(9999, b"\x99" + x),
    "one that begins like CoAP": lambda x: _udp(5683, b"\x50\2\x12\x34" + x),
    "one that begins like OpenVPN": lambda x: _udp(1194, b"\x38" + x),
    "one that begins like a letter": lambda x: _udp(9999, b"P" + x),
    "one that begins like WireGuard": lambda x: _udp(
        51820, b"\1\0\0\0" + x.ljust(144, b"\0")[:144]
    ),
    "one that begins like RTP": lambda x: _udp(9999, b"\x80\x60" + bytes(10) + x),
    "RTP's extension": lambda x: _udp(9999, b"\x90\x60" + bytes(10) + b"\xbe\xde\0\x20" + x),
    "RTCP": lambda x: _udp(9999, b"\x81\xca\0\x20\0\0\0\1\1" + bytes([len(x) & 255]) + x),
    "a payload of TCP": lambda x: _talk(9999, b"\x99" + x, x),
    "what FTP says": lambda x: _talk(21, b"220\r\n", b"USER " + x + b"\r\n"),
    "SMTP": lambda x: _talk(25, b"EHLO " + x + b"\r\n", b"250 " + x + b"\r\n"),
    "SYN with data": lambda x: _ethernet(tcp_packet(HOST, 39999, SERVER, 80, SYN, 1, x)),
    "syslog": lambda x: _udp(514, b"<34>1 " + x),
    "TFTP": lambda x: _udp(69, b"\0\1" + x + b"\0octet\0"),
    "SNMP": lambda x: _udp(161, b"\x30\x26\2\1\1\4" + bytes([len(x) & 127]) + x),
    "NTP": lambda x: _udp(123, b"\x23" + bytes(47) + x),
    "SSDP": lambda x: _udp(1900, b"NOTIFY * HTTP/1.1\r\nLOCATION: http://" + x + b"/\r\n\r\n"),
    "WS-Discovery": lambda x: _udp(3702, b"<a>" + x + b"</a>"),
    "NBNS": lambda x: _udp(137, bytes(12) + b"\x20" + x.ljust(32, b"A")[:32] + b"\0\0\x20\0\1"),
    "DHCPv6": lambda x: _udp(547, b"\1abc\0\1" + struct.pack("!H", len(x)) + x),
    "ESP over UDP": lambda x: _udp(4500, b"\x12\x34\x56\x78\0\0\0\1" + x),
    "IKE": lambda x: _udp(500, bytes(range(1, 29)) + x),
    "IKE over 4500": lambda x: _udp(4500, bytes(4) + bytes(range(1, 29)) + x),
    "L2TP": lambda x: _udp(1701, b"\xc8\2" + bytes(10) + x),
    "GTP": lambda x: _udp(2152, b"\x30\xff\0\x40" + x),
    "VXLAN": lambda x: _udp(4789, b"\x08" + bytes(7) + x),
    "GENEVE's options": lambda x: _udp(6081, b"\x10\0\x65\x58" + bytes(4) + x),
    "DTLS": lambda x: _udp(9999, b"\x17\xfe\xfd" + bytes(8) + struct.pack("!H", len(x)) + x),
    "ESP": lambda x: _ethernet(ip_packet(HOST, SERVER, 50, b"\x12\x34\x56\x78\0\0\0\1" + x)),
    "AH": lambda x: _ethernet(ip_packet(HOST, SERVER, 51, b"\x11\x20\0\0" + bytes(8) + x)),
    "SCTP": lambda x: _ethernet(ip_packet(HOST, SERVER, 132, bytes(12) + b"\0\3\0\x40" + x)),
    "GRE": lambda x: _ethernet(ip_packet(HOST, SERVER, 47, b"\0\0\x88\xbe" + x)),
    "OSPF": lambda x: _ethernet(ip_packet(HOST, "224.0.0.5", 89, b"\2\1\0\x2c" + x)),
    "IGMP": lambda x: _ethernet(ip_packet(HOST, "224.0.0.22", 2, b"\x22\0\0\0\0\0\0\1" + x)),
    "PIM": lambda x: _ethernet(ip_packet(HOST, "224.0.0.13", 103, b"\x20\0\0\0" + x)),
    "echo": lambda x: _icmp(8, x),
    "time exceeded": lambda x: _icmp(11, udp_packet(HOST, 1, SERVER, 9, x)),
    "a quoted connection": lambda x: _icmp(3, tcp_packet(HOST, 1, SERVER, 9, ACK, 1, x)),
    "ICMP of a kind nobody knows": lambda x: _icmp(99, x),
    "echo of IPv6": lambda x: _icmp6(128, x),
    "node information": lambda x: _icmp6(140, x),
    "neighbour discovery's options": lambda x: _icmp6(
        135, ip_address(SERVER6).packed + bytes([14, (len(x) + 9) // 8]) + x + bytes(8)
    ),
    "a router's advertisement": lambda x: _icmp6(134, bytes(8) + b"\x1f\x20" + bytes(6) + x),
    "IPv6's hop-by-hop options": lambda x: _six(0, bytes([0x1E, len(x)]) + x),
    "IPv6's destination options": lambda x: _six(60, bytes([0x1E, len(x)]) + x),
    "a fragment": lambda x: _ethernet(
        ip_packet(HOST6, SERVER6, 44, b"\x11\0\0\1\0\0\0\7" + b"\0\1\0\x09\0\xff\0\0" + x)
    ),
    "an Ethernet trailer": lambda x: _ethernet(udp_packet(HOST, 1, SERVER, 9, b"h"), None, x),
    "LLDP": lambda x: _ethernet(b"\2\7\4" + x, 0x88CC),
    "EAPOL": lambda x: _ethernet(b"\1\0\0\x40" + x, 0x888E),
    "an EtherType nobody knows": lambda x: _ethernet(x, 0x9999),
    "LLC": lambda x: _ethernet(b"\x42\x42\3" + x, 40),
    "PPPoE": lambda x: _ethernet(b"\x11\x09\0\0\0\x40\1\1" + x, 0x8863),
    "ARP's padding": lambda x: _ethernet(b"\0\1\x08\0\6\4\0\1" + MAC + FOUR + bytes(10) + x, 0x806),
    "behind a VLAN tag": lambda x: _ethernet(b"\0\5\x99\x99" + x, 0x8100),
    "TLS's payload": lambda x: _talk(443, hello(), b"\x17\3\3" + struct.pack("!H", len(x)) + x),
    "a TLS ticket": lambda x: _extension(35, x),
    "a TLS extension nobody knows": lambda x: _extension(0x1234, x),
    "ECH": lambda x: _extension(0xFE0D, x),
    "a TLS alert's record": lambda x: _talk(443, b"\x15\3\3" + struct.pack("!H", len(x)) + x, x),
    "HTTP's path": lambda x: _talk(80, b"GET /" + x + b" HTTP/1.1\r\nHost: a.com\r\n\r\n", b"x"),
    "a cookie": lambda x: _http("Cookie: id=%", x),
    "Referer": lambda x: _http("Referer: http://%/", x),
    "X-Forwarded-For": lambda x: _http("X-Forwarded-For: %", x),
    "Authorization": lambda x: _http("Authorization: Basic %", x),
    "Proxy-Authorization": lambda x: _http("Proxy-Authorization: Digest %", x),
    "If-None-Match": lambda x: _http('If-None-Match: "%"', x),
    "Accept": lambda x: _http("Accept: %", x),
    "Connection": lambda x: _http("Connection: %", x),
    "Content-Type": lambda x: _http("Content-Type: text/plain; boundary=%", x),
    "a WebSocket key": lambda x: _http("Sec-WebSocket-Key: %", x),
    "Server": lambda x: _answer("HTTP/1.1 200 OK\r\nServer: %\r\n", x),
    "Location": lambda x: _answer("HTTP/1.1 302 F\r\nLocation: http://%/\r\n", x),
    "Set-Cookie": lambda x: _answer("HTTP/1.1 200 OK\r\nSet-Cookie: a=%\r\n", x),
    "HTTP's reason": lambda x: _answer("HTTP/1.1 404 %\r\n", x),
    "an HTTP body": lambda x: _answer("HTTP/1.1 200 OK\r\n", x, x),
    "a form": lambda x: _posted("application/x-www-form-urlencoded", b"a=" + x),
    "JSON": lambda x: _posted("application/json", b'{"a":"' + x + b'"}'),
    "a packed body": lambda x: _posted("application/json", gzip.compress(x), "gzip"),
    "a body of bytes": lambda x: _posted("application/octet-stream", x),
    "a WebSocket text": lambda x: _socket(_frame(1, x)),
    "a WebSocket's bytes": lambda x: _socket(_frame(2, x)),
    "a WebSocket's last word": lambda x: _socket(_frame(8, b"\3\xe8" + x[:100])),
    "SIP's From": lambda x: _sip("From: <sip:%>", x),
    "SIP's Contact": lambda x: _sip("Contact: <sip:%>", x),
    "SIP's Call-ID": lambda x: _sip("Call-ID: %", x),
    "SIP's Subject": lambda x: _sip("Subject: %", x),
    "SIP's Server": lambda x: _sip("Server: %", x),
    "SIP's Authorization": lambda x: _sip("Authorization: Digest %", x),
    "TXT": lambda x: _dns(16, bytes([len(x) & 255]) + x[:255]),
    "HINFO": lambda x: _dns(13, bytes([len(x) & 255]) + x[:255] + b"\0"),
    "a record nobody knows": lambda x: _dns(999, x),
    "a key of DNSSEC": lambda x: _dns(48, x),
    "SVCB's parameters": lambda x: _dns(65, b"\0\1\0\xff\0" + struct.pack("!H", len(x)) + x),
    "SVCB's ALPN": lambda x: _dns(
        65, b"\0\1\0\0\1" + struct.pack("!HB", 61, 60) + x[:60].ljust(60)
    ),
    "NSEC's types": lambda x: _dns(47, dns_name("a.com") + b"\0" + bytes([len(x) & 255]) + x),
    "behind a name server": lambda x: _dns(2, dns_name("a.com") + x),
    "a DNS cookie": lambda x: _edns(10, x),
    "NSID": lambda x: _edns(3, x),
    "an EDNS option nobody knows": lambda x: _edns(65001, x),
    "behind a DNS message": lambda x: _udp(53, struct.pack("!6H", 7, 256, 0, 0, 0, 0) + x),
    "multicast TXT": lambda x: _dns(16, bytes([len(x) & 255]) + x[:255], 5353),
    "DHCP's vendor": lambda x: _dhcp(60, x[:255]),
    "DHCP's host name": lambda x: _dhcp(12, x[:255]),
    "DHCP's client id": lambda x: _dhcp(61, x[:255]),
    "DHCP's relay": lambda x: _dhcp(82, x[:255]),
    "DHCP's FQDN": lambda x: _dhcp(81, x[:255]),
    "DHCP's message": lambda x: _dhcp(56, x[:255]),
    "DHCP's own option": lambda x: _dhcp(224, x[:255]),
    "USERNAME": lambda x: _stun(0x0006, x),
    "REALM": lambda x: _stun(0x0014, x),
    "NONCE": lambda x: _stun(0x0015, x),
    "a STUN attribute nobody knows": lambda x: _stun(0xC0AB, x),
    "MESSAGE-INTEGRITY": lambda x: _stun(0x0008, x[:20].ljust(20, b"\0")),
    "DATA": lambda x: _stun(0x0013, x),
    "ALTERNATE-DOMAIN": lambda x: _stun(0x8003, x),
    "ORIGIN": lambda x: _stun(0x802F, x),
    "STUN's padding": lambda x: _udp(
        3478, message(1, struct.pack("!HH", 0xC001, 1) + b"a" + (x + b"xxx")[:3], b"q" * 12)
    ),
    "behind a STUN message": lambda x: _udp(3478, message(1, b"", b"q" * 12) + x),
    "ChannelData": lambda x: _udp(3478, b"\x40\0" + struct.pack("!H", len(x)) + x),
    "QUIC's token": lambda x: _quic(b"12345678", b"", bytes([64, len(x)]) + x + b"\x40\x40" + x),
    "QUIC's payload": lambda x: _quic(b"12345678", b"", b"\0\x40\x40" + x),
    "a short header of QUIC": lambda x: _udp(443, b"\x45" + x),
    "a SOCKS login": lambda x: _login(x[:200], x[:200]),
    "SOCKS 4's user": lambda x: _talk(1080, b"\4\1\0\x50" + FOUR + x.replace(b"\0", b"1") + b"\0"),
    "what a proxy is asked": lambda x: _talk(
        3128, b"CONNECT a.com:443 HTTP/1.1\r\nProxy-Authorization: Basic " + x + b"\r\n\r\n", b"x"
    ),
    "MPTCP": lambda x: _tcp_option(30, x[:20]),
    "an experiment of TCP": lambda x: _tcp_option(254, x[:20]),
}
"""By what they are called; each gets every form."""

NARROW: dict[str, Callable[[bytes], Made]] = {
    "QUIC's connection ids": lambda x: _quic(x, x, b"\0\x40\x40" + bytes(64)),
    "a question's label": lambda x: _question(x + b".example.com"),
    "a last label": lambda x: _question(b"www." + x),
    "a label like a service": lambda x: _question(b"_" + x + b"._tcp.local", 5353),
    "below a resolver": lambda x: _question(x + b".dns.nextdns.io"),
    "LLMNR": lambda x: _question(x, 5355),
    "the server's name": lambda x: _talk(443, hello(x + b".example.com"), b"x"),
    "ALPN": lambda x: _talk(443, hello(b"a.com", bytes([len(x)]) + x), b"x"),
    "a TURN realm": lambda x: _stun(0x0014, x + b".example"),
    "OpenVPN's session": lambda x: _udp(1194, b"\x38" + x.ljust(8, b"v")[:8] + bytes(5)),
    "IKE's SPI": lambda x: _udp(500, x.ljust(16, b"v")[:16] + b"\x21\x20\x22\x08" + bytes(8)),
    "ESP's SPI": lambda x: _udp(4500, x[:4] + bytes(20)),
    "RTP's source": lambda x: _udp(9999, b"\x80\x60" + bytes(6) + x[:4] + bytes(20)),
    "WireGuard's index": lambda x: _udp(51820, b"\1\0\0\0" + x[:4] + bytes(140)),
    "STUN's transaction": lambda x: _udp(3478, message(1, b"", x.ljust(12, b"v")[:12])),
    "a tie-breaker": lambda x: _stun(0x802A, x.ljust(8, b"v")[:8]),
    "a fast open cookie": lambda x: _tcp_option(34, x[:16]),
    "a TCP timestamp": lambda x: _tcp_option(8, x[:4] + bytes(4)),
    "IPv4's options": lambda x: _four(b"\x07" + bytes([3 + len(x), 4]) + x),
    "an HTTP host": lambda x: _talk(80, b"GET / HTTP/1.1\r\nHost: " + x + b".com\r\n\r\n", b"x"),
    "a CONNECT": lambda x: _talk(3128, b"CONNECT " + x + b".com:443 HTTP/1.1\r\n\r\n", b"x"),
    "a SOCKS name": lambda x: _talk(
        1080, b"\5\1\0", b"\5\0", b"\5\1\0\3" + bytes([len(x)]) + x + b"\0\x50", b"x"
    ),
}
"""Places of some bytes, which get the short forms."""

WHOLE: dict[str, Callable[[], Made]] = {
    "the source of IPv4": lambda: _ethernet(udp_packet(ADDRESS, 1, SERVER, 9, b"hi")),
    "the target of IPv6": lambda: _ethernet(udp_packet(HOST6, 1, ADDRESS6, 9, b"hi")),
    "a mapped address": lambda: _ethernet(udp_packet(f"::ffff:{ADDRESS}", 1, SERVER6, 9, b"hi")),
    "XOR-MAPPED-ADDRESS": lambda: _stun(0x0020, xor_address(ADDRESS, 9, b"q" * 12)),
    "XOR-MAPPED-ADDRESS of IPv6": lambda: _stun(0x0020, xor_address(ADDRESS6, 9, b"q" * 12)),
    "an A record": lambda: _dns(1, FOUR),
    "an AAAA record": lambda: _dns(28, SIX),
    "a client's subnet": lambda: _edns(8, b"\0\1\x20\0" + FOUR),
    "address hints": lambda: _dns(65, b"\0\1\0\0\4\0\4" + FOUR + b"\0\6\0\x10" + SIX),
    "a PTR question": lambda: _question(ip_address(ADDRESS6).reverse_pointer.encode()),
    "a DHCP option": lambda: _dhcp(50, FOUR),
    "a SOCKS address": lambda: _talk(
        1080, b"\5\1\0", b"\5\0", b"\5\1\0\1" + FOUR + b"\0\x50", b"x"
    ),
    "an IGMP query": lambda: _ethernet(ip_packet(HOST, "224.0.0.1", 2, b"\x11\0\0\0" + FOUR)),
    "a redirect": lambda: _ethernet(
        ip_packet(SERVER, HOST, 1, b"\5\1\0\0" + FOUR + udp_packet(HOST, 1, ADDRESS, 9, b"hi"))
    ),
    "a routing header": lambda: _six(43, b"\4\1\0\0\0\0" + SIX),
    "a browser's words": lambda: _http("User-Agent: Foo/%", ADDRESS.encode()),
    "a browser's words in base64": lambda: _http("User-Agent: Foo/1 %", FORMS["base64"][:36]),
    "SOFTWARE": lambda: _stun(0x8022, f"of {ADDRESS} and {ADDRESS6}".encode()),
}


def frames() -> Iterator[tuple[str, bytes]]:
    """What each frame is about, and the frame."""
    for places, forms in ((PLACES, FORMS), (NARROW, SHORT)):
        for place, make in places.items():
            for form, data in forms.items():
                made = make(data)
                for frame in [made] if isinstance(made, bytes) else made:
                    yield f"{form} in {place}", frame
    for place, build in WHOLE.items():
        made = build()
        for frame in [made] if isinstance(made, bytes) else made:
            yield place, frame
