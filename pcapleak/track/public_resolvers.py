"""Resolvers that anyone may ask, and VPNs' own: facts of their operators' pages, as of `AS_OF`.

A public resolver answers from many places under one address, so it tells where nobody is. An
operator is known by address and prefix, and over DoH, DoT and DoQ by the name in the handshake:
those names are asked for nothing else, and mark DoH inside TLS. Providers' resolvers are kept
apart (`PROVIDER_NAMES`): their own customers ask them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from ipaddress import ip_network
from typing import NamedTuple

from pcapleak.values.packets import IPAddress

AS_OF = "2026-11"
"""When the list was last gone through."""


class Operator(NamedTuple):
    """Who runs a public resolver: addresses and prefixes, and names (those below them too)."""

    name: str
    networks: tuple[str, ...]
    names: tuple[str, ...] = ()


OPERATORS = (
    Operator(
        "Cloudflare",
        (
            "1.1.1.0/24", "1.0.0.0/24", "104.16.248.249", "104.16.249.249", "162.159.36.0/24",
            "162.159.46.0/24", "162.159.61.0/24", "172.64.36.0/24", "172.64.41.0/24",
            "172.64.46.0/24", "2606:4700:4700::/48", "2606:4700::6810:f8f9",
            "2606:4700::6810:f9f9", "2803:f800:53::/48", "2a06:98c1:52::/48", "2a06:98c1:54::/48",
        ),
        ("cloudflare-dns.com", "one.one.one.one", "cloudflare-gateway.com", "dns.cloudflare.com"),
    ),
    Operator(
        "Google",
        ("8.8.8.0/24", "8.8.4.0/24", "2001:4860:4860::/48"),
        ("dns.google", "dns.google.com", "8888.google", "dns64.dns.google"),
    ),
    Operator(
        "Quad9",
        ("9.9.9.0/24", "149.112.112.0/24", "149.112.149.0/24", "2620:fe::/48"),
        (
            "dns.quad9.net", "dns9.quad9.net", "dns10.quad9.net", "dns11.quad9.net",
            "dns12.quad9.net", "dns13.quad9.net", "dns-nosec.quad9.net",
        ),
    ),
    Operator(
        "OpenDNS",
        (
            "208.67.216.0/21", "146.112.0.0/16", "67.215.64.0/19", "2620:0:ccc::/48",
            "2620:0:ccd::/48", "2620:119::/40", "2a04:e4c0::/29",
        ),
        (
            "doh.opendns.com", "dns.opendns.com", "doh.familyshield.opendns.com",
            "familyshield.opendns.com", "doh.sandbox.opendns.com", "sandbox.opendns.com",
            "dns.umbrella.com", "doh.umbrella.com", "dns.sse.cisco.com",
        ),
    ),
    Operator(
        "AdGuard",
        ("94.140.14.0/23", "176.103.130.128/27", "2a10:50c0::/29", "2a00:5a60::/32"),
        (
            "dns.adguard.com", "dns-family.adguard.com", "dns-unfiltered.adguard.com",
            "adguard-dns.com",
        ),
    ),
    Operator(
        "NextDNS",
        ("45.90.28.0/22", "2a07:a8c0::/29"),
        ("dns.nextdns.io", "dns1.nextdns.io", "dns2.nextdns.io"),
    ),
    Operator(
        "Control D",
        ("76.76.2.0/24", "76.76.10.0/24", "147.185.34.0/24", "2606:1a40::/32"),
        ("dns.controld.com", "freedns.controld.com"),
    ),
    Operator(
        "Mullvad",
        ("194.242.2.0/24", "193.19.108.0/24", "2a07:e340::/29"),
        ("dns.mullvad.net", "doh.mullvad.net", "dot.mullvad.net"),
    ),
    Operator(
        "CleanBrowsing",
        ("185.228.168.0/23", "2a0d:2a00::/29"),
        (
            "doh.cleanbrowsing.org", "doh2.cleanbrowsing.org",
            "family-filter-dns.cleanbrowsing.org", "adult-filter-dns.cleanbrowsing.org",
            "security-filter-dns.cleanbrowsing.org",
        ),
    ),
    Operator("Level 3", ("4.2.2.0/29", "209.244.0.0/29")),
    Operator(
        "UltraDNS",
        (
            "64.6.64.0/23", "156.154.70.0/23", "2610:a1:1018::/47", "2620:74:1b::/48",
            "2620:74:1c::/48",
        ),
    ),
    Operator(
        "Yandex",
        ("77.88.8.0/24", "2a02:6b8::feed:0/112", "2a02:6b8:0:1::feed:0/112"),
        ("dns.yandex.net", "dns.yandex.ru", "dns.yandex.com"),
    ),
    Operator("AliDNS", ("223.5.5.0/24", "223.6.6.0/24", "2400:3200::/32"), ("alidns.com",)),
    Operator(
        "DNSPod",
        (
            "119.29.29.0/24", "119.28.28.0/24", "182.254.116.0/24", "182.254.118.0/24",
            "1.12.12.0/24", "1.12.34.56", "120.53.53.0/24", "2402:4e00::/44",
        ),
        ("doh.pub", "dot.pub", "dns.pub"),
    ),
    Operator("114DNS", ("114.114.114.0/24", "114.114.115.0/24")),
    Operator(
        "360",
        ("101.226.4.6", "218.30.118.6", "123.125.81.6", "140.207.198.6", "101.198.198.198"),
        ("doh.360.cn", "dot.360.cn"),
    ),
    Operator("Baidu", ("180.76.76.76", "2400:da00::6666")),
    Operator("CNNIC", ("1.2.4.8", "210.2.4.8", "2001:dc7:1000::1")),
    Operator(
        "OneDNS",
        (
            "117.50.10.10", "117.50.11.11", "117.50.22.22", "117.50.60.30", "52.80.52.52",
            "52.80.59.89", "52.80.60.30", "52.80.66.66",
        ),
        ("onedns.net",),
    ),
    Operator(
        "TWNIC",
        ("101.101.101.0/24", "101.102.103.0/24", "2001:de4::/48"),
        ("dns.twnic.tw",),
    ),
    Operator("IIJ", ("103.2.57.0/24", "2001:300::5", "2001:300::6"), ("public.dns.iij.jp",)),
    Operator(
        "dns0.eu",
        ("193.110.81.0/24", "185.253.5.0/24", "2a0f:fc80::/31"),
        ("dns0.eu",),
    ),
    Operator(
        "DNS4EU",
        ("86.54.11.0/24", "2a13:1001::/32"),
        (
            "protective.joindns4.eu", "child.joindns4.eu", "noads.joindns4.eu",
            "child-noads.joindns4.eu", "unfiltered.joindns4.eu",
        ),
    ),
    Operator("Hurricane Electric", ("74.82.42.0/24", "2001:470:20::/48"), ("ordns.he.net",)),
    Operator(
        "DNS.SB",
        ("185.222.222.0/24", "45.11.45.0/24", "2a09::/48", "2a11::/48"),
        ("doh.dns.sb", "doh.sb", "dot.sb"),
    ),
    Operator(
        "CIRA",
        ("149.112.121.0/24", "149.112.122.0/24", "2620:10a:80bb::/48", "2620:10a:80bc::/48"),
        ("canadianshield.cira.ca",),
    ),
    Operator("Comodo", ("8.26.56.0/24", "8.20.247.0/24")),
    Operator("Norton ConnectSafe", ("199.85.126.0/23",)),
    Operator("FreeDNS", ("37.235.1.174", "37.235.1.177")),
    Operator("Freenom World", ("80.80.80.80", "80.80.81.81")),
    Operator("SafeDNS", ("195.46.39.0/24",)),
    Operator("Oracle Dyn", ("216.146.35.0/24", "216.146.36.0/24")),
    Operator("SkyDNS", ("193.58.251.251",)),
    Operator(
        "Alternate DNS",
        ("76.76.19.19", "76.223.122.150", "198.101.242.72", "23.253.163.53"),
        ("alternate-dns.com",),
    ),
    Operator("Sprint", ("204.117.214.10", "199.2.252.10")),
    Operator("Tenta", ("99.192.182.100", "99.192.182.200"), ("tenta.io",)),
    Operator(
        "OpenNIC",
        (
            "5.189.170.196", "51.158.108.203", "51.254.162.59", "63.231.92.27", "66.70.228.164",
            "81.169.136.222", "88.198.92.222", "94.16.114.254", "94.103.153.176",
            "94.247.43.254", "103.1.206.179", "134.195.4.2", "168.235.111.72", "172.98.193.42",
            "178.254.22.166", "185.181.61.24", "194.36.144.87", "195.10.195.195",
        ),
    ),
    Operator("CIRCL", ("185.194.94.71",), ("dns.circl.lu",)),
    Operator("PowerDNS", ("136.144.215.158",), ("doh.powerdns.org",)),
    Operator("Bortzmeyer", ("193.70.85.11",), ("doh.bortzmeyer.fr", "dot.bortzmeyer.fr")),
    Operator("dnswarden", (), ("dnswarden.com",)),
    Operator("Plan9", (), ("plan9-dns.com", "plan9-ns2.com")),
    Operator("Emerald Onion", (), ("dns.emeraldonion.org",)),
    Operator("OSZX", (), ("dns.oszx.co",)),
    Operator("Pumplex", (), ("dns.pumplex.com",)),
    Operator("Usable Privacy", ("149.154.153.153",), ("adfree.usableprivacy.net",)),
    Operator("Hostux", (), ("dns.hostux.net",)),
    Operator("Namecheap", ("198.54.117.10", "198.54.117.11")),
    Operator("FlashStart", ("185.236.104.0/23",)),
    Operator("DNSFilter", ("103.247.36.0/23",), ("dnsfilter.com",)),
    Operator("Safe Surfer", ("104.155.237.225", "104.197.28.121"), ("doh.safesurfer.io",)),
    Operator("Gcore", ("95.85.95.85", "2.56.220.2", "2a03:90c0:999d::/48", "2a03:90c0:9992::/48")),
    Operator("Liquid", ("5.11.11.0/24",)),
    Operator("Strongarm", ("54.174.40.213", "52.3.100.184")),
    Operator("puntCAT", ("109.69.8.51", "2a00:1508:0:4::9"), ("dns.puntcat.cat",)),
    Operator("Fourth Estate", ("45.77.165.194",)),
    Operator("Shecan", ("178.22.122.100", "185.51.200.2"), ("free.shecan.ir",)),
    Operator("Electro", ("78.157.42.100", "78.157.42.101")),
    Operator("Begzar", ("185.55.225.25", "185.55.225.26", "185.55.226.26")),
    Operator(
        "UncensoredDNS",
        ("91.239.100.100", "89.233.43.71", "2001:67c:28a4::/48", "2a01:3a0:53:53::/64"),
        ("anycast.uncensoreddns.org", "unicast.uncensoreddns.org"),
    ),
    Operator(
        "DNS.WATCH", ("84.200.69.80", "84.200.70.40", "2001:1608:10:25::/64"), ("dns.watch",)
    ),
    Operator(
        "Digitalcourage",
        ("5.9.164.112", "46.182.19.48", "2a01:4f8:251:554::2", "2a02:2970:1002::18"),
        ("dns2.digitalcourage.de", "dns3.digitalcourage.de"),
    ),
    Operator(
        "Digitale Gesellschaft",
        ("185.95.218.0/24", "2a05:fc84::/48"),
        ("dns.digitale-gesellschaft.ch",),
    ),
    Operator(
        "Applied Privacy",
        ("146.255.56.98", "2a02:1b8:10:234::2"),
        ("doh.applied-privacy.net", "dot1.applied-privacy.net"),
    ),
    Operator(
        "SWITCH",
        ("130.59.31.248", "130.59.31.251", "2001:620:0:ff::2", "2001:620:0:ff::3"),
        ("dns.switch.ch",),
    ),
    Operator(
        "CZ.NIC",
        ("193.17.47.1", "185.43.135.1", "2001:148f:fffe::1", "2001:148f:ffff::1"),
        ("odvr.nic.cz",),
    ),
    Operator(
        "FDN",
        ("80.67.169.12", "80.67.169.40", "2001:910:800::12", "2001:910:800::40"),
        ("ns0.fdn.fr", "ns1.fdn.fr", "dns.fdn.fr"),
    ),
    Operator(
        "Freifunk München",
        (
            "5.1.66.255", "185.150.99.255", "2001:678:e68:f000::/64", "2001:678:ed0:f000::/64",
        ),
        ("doh.ffmuc.net", "dot.ffmuc.net"),
    ),
    Operator(
        "LibreDNS",
        ("116.202.176.26", "2a01:4f8:1c0c:8274::1"),
        ("doh.libredns.gr", "dot.libredns.gr"),
    ),
    Operator(
        "dnsforge",
        (
            "176.9.93.198", "176.9.1.117", "2a01:4f8:151:34aa::198", "2a01:4f8:141:316d::117",
        ),
        ("dnsforge.de",),
    ),
    Operator("Njalla", ("95.215.19.53", "2001:67c:2354:2::53"), ("dns.njal.la",)),
    Operator("Wikimedia DNS", ("185.71.138.0/24", "2001:67c:930::/48"), ("wikimedia-dns.org",)),
    Operator("Restena", ("158.64.1.29", "2001:a18:1::29"), ("kaitain.restena.lu",)),
    Operator(
        "Andrews & Arnold",
        ("217.169.20.22", "217.169.20.23", "2001:8b0::2022", "2001:8b0::2023"),
        ("dns.aa.net.uk",),
    ),
    Operator(
        "getdns",
        ("185.49.141.37", "2a04:b900:0:100::37"),
        ("getdnsapi.net", "dnsovertls.sinodun.com", "dnsovertls1.sinodun.com"),
    ),
    Operator(
        "DNS for Family",
        ("94.130.180.225", "78.47.64.161"),
        ("dns-doh.dnsforfamily.com", "dns-dot.dnsforfamily.com"),
    ),
    Operator("BlahDNS", (), ("blahdns.com",)),
    Operator("RethinkDNS", (), ("sky.rethinkdns.com", "max.rethinkdns.com", "rethinkdns.com")),
    Operator("Tiarap", ("174.138.21.128",), ("doh.tiar.app", "dot.tiar.app", "jp.tiar.app")),
    Operator("DeCloudUs", (), ("dns.decloudus.com",)),
    Operator("Levonet", (), ("dns.levonet.sk",)),
    Operator("AhaDNS", (), ("ahadns.net", "ahadns.com")),
    Operator("CryptoSX", (), ("doh.crypto.sx",)),
    Operator("DNSlify", ("185.235.81.1", "185.235.81.2"), ("doh.dnslify.com",)),
    Operator("Comss", (), ("dns.comss.one", "router.comss.one")),
    Operator("BebasDNS", (), ("dns.bebasid.com",)),
    Operator("Seby", (), ("doh.seby.io",)),
    Operator("AlekBerg", (), ("alekberg.net",)),
    Operator("Bharat", ("1.10.10.0/24",)),
    Operator("Apple", (), ("doh.dns.apple.com",)),
    # VPNs' own resolvers: beside its exits, in whatever country the address is registered.
    Operator("NordVPN", ("103.86.96.0/24", "103.86.99.0/24")),
    Operator(
        "Surfshark",
        ("194.169.169.0/24", "2a09:a707::/32", "162.252.172.57", "149.154.159.92"),
        ("dns.surfsharkdns.com",),
    ),
    Operator("Private Internet Access", ("209.222.18.218", "209.222.18.222")),
    Operator("OVPN", ("46.227.67.134", "192.165.9.158", "2a07:a880:4601:10f0:cd45::1")),
    Operator("CyberGhost", ("38.132.106.139", "194.187.251.67", "185.93.180.131")),
    Operator("VyprVPN", ("209.99.22.53", "209.99.109.53")),
    Operator("IVPN", ("198.245.51.147", "198.27.108.87")),
)  # fmt: skip

PROVIDER_NAMES = frozenset(
    (
        "doh.xfinity.com", "dot.xfinity.com", "doh-01.spectrum.com", "doh-02.spectrum.com",
        "doh.cox.net", "dot.cox.net", "dns.telekom.de", "doh.bt.com", "doh.quickline.ch",
    )
)  # fmt: skip
"""Names of providers' own encrypted resolvers: not public, but DNS and not the web."""

SYSTEMS = frozenset(
    (
        12008, 19281, 24013, 25605, 34939, 36692, 40568, 47037, 50902, 51289, 57138, 57926, 62406,
        64089, 142501, 142502, 148000, 198121, 205157, 212772, 398962,
    )
)  # fmt: skip
"""Autonomous systems of companies that run resolvers and little else: their newer prefixes."""

_BY_NAME = {name: operator.name for operator in OPERATORS for name in operator.names}

RESOLVER_NAMES = frozenset(_BY_NAME) | PROVIDER_NAMES
"""Every name that is known, as it is written in the lists."""


def operator_named(name: str) -> str | None:
    """The operator of a public resolver by the name a client asks it under, in lower case."""
    return next((_BY_NAME[one] for one in _and_above(name) if one in _BY_NAME), None)


def is_resolver_name(name: str) -> bool:
    """Whether a name, in lower case, is one that encrypted DNS is asked under."""
    return any(one in RESOLVER_NAMES for one in _and_above(name))


def operator_at(address: IPAddress) -> str | None:
    """The operator of the public resolver at an address."""
    for first, last, operator in _ranges(address.version):
        if first <= int(address) <= last:
            return operator
    return None


def _and_above(name: str) -> Iterator[str]:
    """A name and those it is below; a site about a resolver (`www.`) is none."""
    if name.startswith("www."):
        return
    labels = name.rstrip(".").split(".")[-8:]
    for at in range(len(labels) - 1):
        yield ".".join(labels[at:])


@cache
def _ranges(version: int) -> list[tuple[int, int, str]]:
    return [
        (int(network[0]), int(network[-1]), operator.name)
        for operator in OPERATORS
        for text in operator.networks
        if (":" in text) == (version == 6)
        for network in (ip_network(text),)
    ]
