"""What each interface is: physical, tunnel, loopback, `any`, and how that is known."""

from __future__ import annotations

import re

import numpy as np

from pcapleak.judge.columns import Columns
from pcapleak.judge.judgement import InterfaceRole
from pcapleak.policy.policy import Policy
from pcapleak.values.claims import Strength
from pcapleak.values.packets import TUNNEL_WORDS, Interface, Service

# Names that operating systems and VPN clients give. Physical names come second: `tun` would
# otherwise be shadowed by nothing, but a name such as `wlp2s0` must not match `w`.
_TUNNEL = re.compile(
    r"^(wg|tun|tap|utun|ppp|ipsec|gre|gretap|sit|ip6tnl|ipip|vti|xfrm|l2tp|zt|ham|feth|warp|"
    r"cloudflarewarp|nordlynx|nordtun|proton|pvpn|mullvad|tailscale|ts\d|wt\d|amn|outline|"
    r"cscotun|gpd|ivpn|expressvpn|lightway|surfshark|hs\d)",
    re.IGNORECASE,
)
_LOOPBACK = re.compile(r"^(lo\d*|loopback.*|.*npf_loopback)$", re.IGNORECASE)
_PHYSICAL = re.compile(
    r"^(eth|en|em|eno|ens|enp|enx|wl|wlan|wifi|wi-fi|ath|ra\d|usb|ww|rmnet|ccmni|pdp_ip|bond|"
    r"team|br|bridge|vmnet|vbox|veth|docker|virbr|ap\d|awdl|igb|em\d|re\d|bge|ethernet|"
    r"local area connection)",
    re.IGNORECASE,
)

_NPF = re.compile(r"^\\Device\\NPF_", re.IGNORECASE)
"""Npcap's names, which tell nothing: the description has the one that Windows shows."""

_GENERIC = re.compile(r"^(ethernet|local area connection)", re.IGNORECASE)
"""Names Windows gives to adapters of every kind, in the order they come."""

ANY_LINK_TYPES = (113, 276)
"""SLL and SLL2: what Linux's `any` device records."""
NO_LINK_LAYER = (12, 14, 101, 228, 229)
"""Raw IP. Tunnels look like this, but so do modems and exports."""
NULL_LINK_TYPES = (0, 108)
"""BSD's loopback and tunnel devices."""
_MIXED = "a cooked recording without interface numbers: interfaces cannot be told apart"

CARRIERS = Service.WIREGUARD | Service.OPENVPN | Service.ESP | Service.IKE | Service.L2TP
"""What tunnels' carriers are shaped like; other traffic may be too."""

# ARPHRD numbers of Linux's if_arp.h.
_HARDWARE: dict[int, tuple[str, str]] = {
    1: ("physical", "Ethernet"),
    32: ("physical", "InfiniBand"),
    512: ("tunnel", "PPP"),
    519: ("tunnel", "raw IP"),
    768: ("tunnel", "an IP-in-IP tunnel"),
    769: ("tunnel", "an IPv6 tunnel"),
    772: ("loopback", "loopback"),
    776: ("tunnel", "a 6in4 tunnel"),
    778: ("tunnel", "a GRE tunnel"),
    801: ("physical", "Wi-Fi"),
    802: ("physical", "Wi-Fi"),
    803: ("physical", "Wi-Fi"),
    823: ("tunnel", "a GRE tunnel over IPv6"),
    65534: ("tunnel", "a device without a link layer, like a tunnel"),
}


def interface_roles(
    interfaces: list[Interface], columns: Columns, policy: Policy
) -> list[InterfaceRole]:
    """The role of each interface, by id."""
    named = {tunnel.interface for tunnel in policy.tunnels if tunnel.interface is not None}
    uplinks = set(policy.uplinks)
    parents = {interface.parent for interface in interfaces if interface.parent is not None}
    looped = _loopback_only(len(interfaces), columns)
    # Where only kinds of hardware are told apart, a tunnel's kind among them tells the tunnel.
    told = {
        interface.capture
        for interface in interfaces
        if interface.parent is not None
        and (interface.index is not None or _kind(interface)[0] == "tunnel")
    }
    carried = _carrier_recorded(interfaces, columns)
    names = {interface.id: interface.name for interface in interfaces}
    return [
        _told(interface, named, uplinks)
        or _cooked(interface, names, told)
        or _role(interface, policy, interface.id in parents, looped[interface.id], carried)
        for interface in interfaces
    ]


def has_link_layer(interface: Interface) -> bool:
    """Whether frames on it have a link layer, as those of tunnels mostly have not."""
    if interface.hardware_type is not None:
        return _kind(interface)[0] == "physical"
    return interface.link_type not in (*NO_LINK_LAYER, *NULL_LINK_TYPES)


def is_called(interface: Interface, name: str) -> bool:
    """Whether a person would call an interface so: by its name, or by its description, which is
    what Wireshark and Windows show."""
    return name in (interface.name, interface.description)


def kind_words(interface: Interface) -> list[str]:
    """The words of its description and hardware that tell what it is, and nothing else."""
    description = interface.description or ""
    words: list[str] = TUNNEL_WORDS.findall(f"{description} {interface.hardware or ''}")
    named = _TUNNEL.match(description) if _NPF.match(interface.name or "") else None
    return [named.group(), *words] if named else words


def _told(interface: Interface, tunnels: set[str], uplinks: set[str]) -> InterfaceRole | None:
    """The role that the policy gives an interface."""
    for name in sorted(tunnels):
        if is_called(interface, name):
            reason = f"the policy names {name} as a tunnel"
            return InterfaceRole("tunnel", reason, Strength.TOLD)
    for name in sorted(uplinks):
        if is_called(interface, name):
            reason = f"the policy names {name} as an uplink"
            return InterfaceRole("physical", reason, Strength.TOLD)
    return None


def _cooked(
    interface: Interface, names: dict[int, str | None], told: set[int]
) -> InterfaceRole | None:
    """The role of what one kind of hardware sent in a cooked recording, where that is no more
    than one device or nothing tells its interfaces apart."""
    if interface.parent is None or _kind(interface)[0] != "physical":
        return None
    name = names.get(interface.parent)
    if interface.index is None and name is not None and _PHYSICAL.match(name):
        return InterfaceRole("physical", f"a cooked recording of {name} alone")
    return InterfaceRole("any", _MIXED) if interface.capture not in told else None


def _kind(interface: Interface) -> tuple[str, str]:
    """What the hardware type says an interface is, and in words."""
    return _HARDWARE.get(interface.hardware_type or 0, ("unknown", "of unknown hardware"))


def _carrier_recorded(interfaces: list[Interface], columns: Columns) -> bool:
    """Whether something of a tunnel's shape was recorded on a link layer."""
    linked = [
        one.id for one in interfaces if one.link_type not in (*NO_LINK_LAYER, *NULL_LINK_TYPES)
    ]
    return bool((columns.on(linked) & columns.serving(CARRIERS)).any())


def _role(
    interface: Interface,
    policy: Policy,
    is_parent: bool,
    looped: bool,
    carried: bool,
) -> InterfaceRole:
    name = interface.name
    if is_parent or name == "any":
        return InterfaceRole("any", "a recording of all interfaces; each is judged separately")
    if interface.parent is not None and interface.hardware_type in _HARDWARE:
        role, what = _HARDWARE[interface.hardware_type]
        which = "it" if interface.index is None else f"interface {interface.index}"
        return _literal(role, f"{which} is {what} (by its hardware type)")
    if name is not None:
        if _LOOPBACK.match(name):
            return InterfaceRole("loopback", f"it is called {name}")
        called = interface.description if _NPF.match(name) else name
        if called is not None and _TUNNEL.match(called):
            return InterfaceRole("tunnel", f'"{called}" is a usual name for a tunnel')
        words = (name, interface.description, interface.hardware)
        if TUNNEL_WORDS.search(" ".join(filter(None, words))):
            return InterfaceRole("tunnel", "its name, description or hardware mentions a tunnel")
        generic = _GENERIC.match(name) and interface.link_type in NO_LINK_LAYER
        if _PHYSICAL.match(name) and not generic:
            reason = f'"{name}" is a usual name for a physical interface'
            return InterfaceRole("physical", reason, is_by_name=True)
    if looped:
        return InterfaceRole("loopback", "all its traffic is between loopback addresses")
    if interface.hardware_type in _HARDWARE:
        role, what = _HARDWARE[interface.hardware_type]
        return _literal(role, f"it is {what} (by its hardware type)")
    if interface.link_type in ANY_LINK_TYPES:
        return InterfaceRole("any", _MIXED)
    if interface.link_type in (*NO_LINK_LAYER, *NULL_LINK_TYPES):
        if policy.tunnels:
            return InterfaceRole(
                "tunnel", "it has no link layer, like a tunnel, and the policy has a tunnel"
            )
        if carried:
            return InterfaceRole(
                "tunnel",
                "it has no link layer, like a tunnel, and a carrier was recorded as well",
            )
        return InterfaceRole(
            "unknown", "it has neither a name nor a link layer: a tunnel, a modem or an export"
        )
    return InterfaceRole("physical", "it has a link layer and no tunnel-like name")


def _literal(role: str, reason: str) -> InterfaceRole:
    if role == "physical":
        return InterfaceRole("physical", reason)
    if role == "loopback":
        return InterfaceRole("loopback", reason)
    return InterfaceRole("tunnel", reason)


def _loopback_only(count: int, columns: Columns) -> list[bool]:
    """For each interface whether it has flows, all of them between loopback addresses."""
    loop = columns.loopback(columns.orig) & columns.loopback(columns.resp)
    total = np.bincount(columns.interface, minlength=count)
    local = np.bincount(columns.interface[loop], minlength=count)
    return [bool(total[i]) and total[i] == local[i] for i in range(count)]
