"""What one value of a policy may say: addresses, ranges, interfaces, rules and proxies as text.

Each raises `PolicyError` naming where the text stood, what is wrong with it, and a right one.
"""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from pcapleak.errors import PolicyError
from pcapleak.policy.values import (
    NOWHERE,
    PROXY_SCHEMES,
    TUNNEL_PROTOCOLS,
    NamedServer,
    Rule,
    TransportName,
)
from pcapleak.values.endpoints import Endpoint, IPAddress, Network
from pcapleak.values.findings import TRAFFIC_KINDS, TrafficKind


def parse_address(text: str, where: str) -> IPAddress:
    """An IP address; `where` names the option or key in the error."""
    try:
        return ip_address(text.strip().strip("[]"))
    except ValueError:
        raise PolicyError(
            f"{where}: {text!r} is not an IP address{_name_hint(text)}; "
            "write one such as 198.51.100.40 or 2001:db8::40"
        ) from None


def parse_network(text: str, where: str) -> Network:
    """An address or a CIDR range; host bits are cut off."""
    try:
        return ip_network(text.strip().strip("[]"), strict=False)
    except ValueError:
        raise PolicyError(
            f"{where}: {text!r} is neither an IP address nor a range{_name_hint(text)}; "
            "write one such as 192.168.1.0/24 or 2001:db8::/64"
        ) from None


def parse_interface(text: str, where: str) -> str:
    """An interface's name. Windows' have spaces: Local Area Connection 2."""
    name = text.strip()
    if not name or not name.isprintable() or "://" in name:
        raise PolicyError(
            f"{where}: {text!r} is not an interface's name; write it as `ip link` or `ifconfig` "
            "lists it, such as wg0, tun0 or utun4"
        )
    return name


def parse_kind(text: str, where: str) -> TrafficKind:
    """A kind of traffic for `require`."""
    for kind in TRAFFIC_KINDS:
        if text.strip().lower() == kind:
            return kind
    raise PolicyError(
        f"{where}: {text!r} is not a kind of traffic; choose from {', '.join(TRAFFIC_KINDS)}"
    )


def parse_protocol(text: str, where: str) -> str:
    """What a tunnel is made with."""
    if text in TUNNEL_PROTOCOLS:
        return text
    raise PolicyError(
        f"{where}: {text!r} is not a tunnel protocol; choose from {', '.join(TUNNEL_PROTOCOLS)}"
    )


def parse_text(text: str, where: str) -> str:
    """Any text, which is checked where it is used."""
    del where
    return text


_PROCESS = "process:"
_PROTOCOL = re.compile(r"/(udp|tcp|icmp)$", re.IGNORECASE)
_HOST_NAME = re.compile(
    r"(?:[a-z0-9_-]{1,63}\.)*(?=[a-z0-9-]*[a-z])[a-z0-9-]{1,63}\.?", re.IGNORECASE
)
_BRACKETED = re.compile(r"^\[([^\]]+)\](?::(.*))?$")


def parse_rule(text: str, where: str) -> Rule:
    """A rule: an address, a range, `*` or nothing; then `:PORT` and `/udp`, `/tcp`, `/icmp`."""
    host, port, protocol = _parts(text, where)
    network = None if host in ("", "*") else _rule_network(host, text, where)
    if network is None and port is None and protocol is None:
        raise PolicyError(f"{where}: {text!r} has nothing to match; {RULE_HELP}")
    return Rule(network, port, protocol, text.strip())


def parse_server(text: str, where: str) -> Rule:
    """A rule as `parse_rule` reads it, or one whose host is a name."""
    host, port, protocol = _parts(text, where)
    if len(host) <= 253 and _HOST_NAME.fullmatch(host):
        return NamedServer(NOWHERE, port, protocol, text.strip())
    return parse_rule(text, where)


def _parts(text: str, where: str) -> tuple[str, int | None, TransportName | None]:
    """Host, port and protocol of a rule."""
    body = text.strip()
    if body.startswith(_PROCESS):
        raise PolicyError(f"{where}: {text!r} is a program, not an address; {RULE_HELP}")
    named = _PROTOCOL.search(body)
    protocol = None if named is None else _transport(named[1])
    place = body if named is None else body[: named.start()]
    port_text: str | None = None
    if bracketed := _BRACKETED.match(place):
        host, port_text = bracketed[1], bracketed[2]
    elif place.count(":") > 1:
        host = place
    else:
        host, colon, after = place.partition(":")
        port_text = after if colon else None
    return host, None if port_text is None else _port(port_text, text, where), protocol


def parse_allowed(text: str, where: str) -> Rule:
    """A rule as `parse_rule` reads it, or a program: `process:NAME`."""
    body = text.strip()
    if not body.startswith(_PROCESS):
        return parse_rule(text, where)
    name = body.removeprefix(_PROCESS).strip()
    if not name:
        raise PolicyError(f"{where}: {body!r} names no program; write process:chronyd")
    return Rule(None, None, None, body, name)


RULE_HELP = (
    "write HOST[:PORT][/udp|/tcp|/icmp], such as 198.51.100.40:51820/udp, 10.0.0.0/8, "
    "[2001:db8::40]:443/tcp or *:123/udp"
)


def _rule_network(host: str, text: str, where: str) -> Network:
    try:
        return ip_network(host, strict=False)
    except ValueError:
        raise PolicyError(
            f"{where}: {host!r} in {text!r} is not an IP address or range{_name_hint(host)}; "
            f"{RULE_HELP}"
        ) from None


def _transport(text: str) -> TransportName:
    match text.lower():
        case "udp":
            return "udp"
        case "tcp":
            return "tcp"
        case _:
            return "icmp"


def _port(text: str, whole: str, where: str) -> int:
    if text.isdecimal() and 0 < int(text) < 65536:
        return int(text)
    raise PolicyError(f"{where}: {text!r} in {whole!r} is not a port; use a number from 1 to 65535")


def parse_proxy_url(text: str, where: str) -> tuple[str, Endpoint]:
    """A proxy's URL, as its scheme and where it listens; a name and password are left out."""
    example = "write it as socks5://198.51.100.30:1080 or http://198.51.100.30:8080"
    try:
        url = urlsplit(text.strip())
        port = url.port
    except ValueError:
        raise PolicyError(f"{where}: {text!r} is not a proxy's URL; {example}") from None
    if url.scheme.lower() not in PROXY_SCHEMES:
        bare = text.strip().rpartition("://")[2]
        raise PolicyError(
            f"{where}: {text!r} does not say which kind of proxy it is; write it as "
            f"socks5://{bare} or http://{bare}"
        )
    if not url.hostname or port is None or port == 0:
        raise PolicyError(f"{where}: {text!r} lacks an address or a port; {example}")
    host = "127.0.0.1" if url.hostname == "localhost" else url.hostname
    return url.scheme.lower(), Endpoint(parse_address(host, where), port)


def _name_hint(text: str) -> str:
    """Said of a host name, which a passive tool does not look up."""
    if re.search(r"[g-z]", text, re.IGNORECASE):
        return " (pcapleak sends nothing and does no DNS look-ups)"
    return ""
