"""Whether a capture filter lets everything pass that is judged."""

from __future__ import annotations

import re

_SPELLED = (("&&", " and "), ("||", " or "), ("!", " not "), ("\\", ""))
_IP = frozenset(("ip", "ether proto ip", "ether proto 0x0800", "ether proto 0x800"))
_IP6 = frozenset(("ip6", "ether proto ip6", "ether proto 0x86dd"))
_LINK = frozenset(
    f"{head}{name}"
    for head in ("", "ether proto ")
    for name in (
        "aarp", "arp", "atalk", "decnet", "ipx", "iso", "lat", "loopback", "mopdl", "moprc",
        "netbeui", "pppoed", "rarp", "stp", "0x0806", "0x8035", "0x8863", "0x888e",
        "0x88cc", "0x8899", "0x893a",
    )
)  # fmt: skip
"""Protocols of the link that carry no IP: losing them loses nothing that is judged."""


def keeps_all(expression: str) -> bool:
    """Whether a capture filter (pcap-filter(7)) keeps every packet of IPv4 and IPv6.

    Only those are known that name protocols of the link and of the network: `ip or ip6`,
    `not arp and not stp`. Of any other one it is taken that something was lost.
    """
    text = expression.lower()
    for written, word in _SPELLED:
        text = text.replace(written, word)
    # Without `not` before it, or with but one kind of joining, a bracket changes nothing.
    if re.search(r"\bnot\s*\(", text) or (" and " in text and " or " in text):
        return False
    text = re.sub(r"[()]", " ", text)
    if " or " in text:
        named = {_plain(part) for part in text.split(" or ")}
        return bool(named & _IP) and bool(named & _IP6)
    parts = [_plain(part) for part in text.split(" and ")]
    return all(part.startswith("not ") and part[4:] in _LINK for part in parts if part)


def _plain(part: str) -> str:
    return " ".join(part.split())
