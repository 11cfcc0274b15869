"""Names of assigned numbers, as Wireshark and IANA write them."""

LINK_TYPE_NAMES = {
    0: "NULL",
    1: "ETHERNET",
    6: "IEEE802_5",
    9: "PPP",
    12: "RAW",
    14: "RAW",
    50: "PPP_HDLC",
    51: "PPP_ETHER",
    100: "ATM_RFC1483",
    101: "RAW",
    104: "C_HDLC",
    105: "IEEE802_11",
    107: "FRELAY",
    108: "LOOP",
    113: "LINUX_SLL",
    117: "PFLOG",
    119: "IEEE802_11_PRISM",
    127: "IEEE802_11_RADIOTAP",
    147: "USER0",
    149: "USER2",
    192: "PPI",
    195: "IEEE802_15_4",
    228: "IPV4",
    229: "IPV6",
    239: "NFLOG",
    249: "USBPCAP",
    253: "NETLINK",
    258: "PKTAP",
    276: "LINUX_SLL2",
}
"""Link types of the tcpdump.org registry."""

ICMP = 1
TCP = 6
UDP = 17
GRE = 47
ESP = 50
AH = 51
ICMPV6 = 58
L2TP = 115
SCTP = 132
"""IP protocols of the IANA registry."""

PROTOCOL_NAMES = {
    1: "icmp",
    2: "igmp",
    6: "tcp",
    17: "udp",
    41: "ipv6",
    47: "gre",
    50: "esp",
    51: "ah",
    58: "icmpv6",
    89: "ospf",
    103: "pim",
    112: "vrrp",
    132: "sctp",
}
"""Their names."""

DNS_PORT = 53
MDNS_PORT = 5353
LLMNR_PORT = 5355

MAGIC_COOKIE = 0x2112A442
"""The word by which STUN is known (RFC 8489 section 5)."""
COOKIE = MAGIC_COOKIE.to_bytes(4, "big")
"""The same as it is sent."""

SIP_STARTS: tuple[bytes, ...] = (
    *(
        method + b" " + scheme
        for method in (
            b"INVITE", b"ACK", b"BYE", b"CANCEL", b"OPTIONS", b"REGISTER", b"SUBSCRIBE",
            b"NOTIFY", b"UPDATE", b"INFO", b"PRACK", b"MESSAGE", b"REFER", b"PUBLISH",
        )
        for scheme in (b"sip", b"tel", b"urn")
    ),
    b"SIP/2.0 ",
)  # fmt: skip
"""What SIP messages begin with: a method and the scheme of a URI, or a response's version."""
