"""What a watch knew beside the packets, kept in its recordings: policy, devices, addresses.

Each note is one comment of an interface statistics block (draft-ietf-opsawg-pcapng, sections 3.5
and 4.6): `pcapleak machine` and one JSON object. Only sections that pcapleak wrote are asked for
them, as for programs; all of it is text of whoever wrote the file, so each note is checked and
bounded, and one that makes no sense is left out.

| key | what |
|---|---|
| `policy` | what held from then on, as in a policy file; tunnels and proxies with their `reasons` |
| `interface` | `name`, `index`, `type` (ARPHRD number), `addresses` so far |
| `device` | `name`, `index`, `type`, `present`, `since_ns`, `ts_ns`: a device came or went |
| `gap` | what should have been watched and was not, one sentence |
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

from pcapleak.errors import PolicyError
from pcapleak.policy.file import read_keys
from pcapleak.policy.policy import Policy, Proxy, Tunnel
from pcapleak.values.packets import DeviceChange, Interface
from pcapleak.values.programs import plain

PREFIX = "pcapleak machine "
MAX_NOTE = 60_000
"""Characters of a note: an option has at most 65,535 bytes."""
MAX_NOTES = 10_000
"""Notes of a capture."""
_MAX_TEXT = 300
Note = Mapping[str, Any]


def read_note(comment: str) -> Note | None:
    """The note that a comment holds, if it holds one."""
    if not comment.startswith(PREFIX) or len(comment) > MAX_NOTE:
        return None
    with suppress(ValueError, RecursionError):
        note = json.loads(comment.removeprefix(PREFIX))
        if isinstance(note, dict):
            return note
    return None


def write_note(note: Note) -> str:
    """A note as a comment; empty where it is too long for one."""
    text = PREFIX + json.dumps(note, separators=(",", ":"))
    return text if len(text) <= MAX_NOTE else ""


def policy_note(policy: Policy) -> Note:
    """A policy, but for its files, which are another machine's."""
    keys: dict[str, Any] = {
        name: values if len(values) != 1 or name in _LISTS else values[0]
        for name, values in policy.given().items()
        if name not in _FILES
    }
    for name in keys.keys() & {"strict", "always_on"}:
        keys[name] = True
    if keys.pop("no_lan", None):
        keys["lans"] = ["none"]
    keys.pop("infer", None)
    keys["tunnel"] = [_tunnel(tunnel) for tunnel in policy.tunnels]
    keys["proxy"] = [
        {"url": str(one), "exits": list(map(str, one.exits)), "reasons": list(one.reasons)}
        for one in policy.proxies
    ]
    return {"policy": keys}


_FILES = ("geo_databases", "geo_maps")
_LISTS = ("exits", "clients", "lans", "uplinks", "resolvers", "allow", "require", "languages")


def _tunnel(tunnel: Tunnel) -> dict[str, Any]:
    keys: dict[str, Any] = {
        "interface": tunnel.interface,
        "protocol": tunnel.protocol,
        "endpoints": [rule.text for rule in tunnel.endpoints],
        "reasons": list(tunnel.reasons),
    }
    for name in ("addresses", "resolvers", "exits", "routes"):
        keys[name] = list(map(str, getattr(tunnel, name)))
    return {name: value for name, value in keys.items() if value}


def read_policy_note(note: Note) -> Policy | None:
    """The policy of a note; None where it has none, or none that can be read."""
    keys = note.get("policy")
    if not isinstance(keys, dict):
        return None
    keys = dict(keys)
    reasons = {}
    for table in ("tunnel", "proxy"):
        entries = keys.get(table)
        if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
            return None
        reasons[table] = [_texts(one.get("reasons")) for one in entries]
        keys[table] = [{k: v for k, v in one.items() if k != "reasons"} for one in entries]
    try:
        policy = Policy(**read_keys(Policy, keys, "", Path()))
    except PolicyError:
        return None
    return replace(
        policy,
        tunnels=tuple(map(_because, policy.tunnels, reasons["tunnel"])),
        proxies=tuple(map(_why, policy.proxies, reasons["proxy"])),
    )


def _because(tunnel: Tunnel, reasons: tuple[str, ...]) -> Tunnel:
    return replace(tunnel, reasons=reasons)


def _why(proxy: Proxy, reasons: tuple[str, ...]) -> Proxy:
    return replace(proxy, reasons=reasons)


def _texts(values: object) -> tuple[str, ...]:
    if not isinstance(values, list):
        return ()
    return tuple(plain(value[:_MAX_TEXT]) for value in values if isinstance(value, str))


def interface_note(interface: Interface) -> Note:
    """What the machine knows of an interface."""
    return {
        "interface": {
            "name": interface.name,
            "index": interface.index,
            "type": interface.hardware_type,
            "addresses": list(interface.addresses),
        }
    }


def device_note(change: DeviceChange) -> Note:
    """A device came or went."""
    return {
        "device": {
            "name": change.name,
            "index": change.device,
            "type": change.hardware_type,
            "present": change.present,
            "since_ns": change.since_ns,
            "ts_ns": change.ts_ns,
        }
    }


def apply_interfaces(notes: Iterable[Note], interfaces: Sequence[Interface]) -> None:
    """Tell interfaces what the notes know of those of their name."""
    for note in notes:
        told = note.get("interface")
        if not isinstance(told, dict):
            continue
        for interface in interfaces:
            if interface.name is None or interface.name != told.get("name"):
                continue
            interface.index = _number(told.get("index"), interface.index)
            interface.hardware_type = _number(told.get("type"), interface.hardware_type)
            more = [text for text in _texts(told.get("addresses")) if _is_cidr(text)]
            interface.addresses = tuple(dict.fromkeys((*interface.addresses, *more)))


def device_changes(notes: Iterable[Note]) -> list[DeviceChange]:
    """The devices that came and went, each once."""
    found: dict[DeviceChange, None] = {}
    for note in notes:
        told = note.get("device")
        if isinstance(told, dict) and isinstance(told.get("name"), str):
            numbers = [_number(told.get(k), 0) or 0 for k in ("since_ns", "ts_ns", "index", "type")]
            since_ns, ts_ns, index, kind = numbers
            name = plain(told["name"][:_MAX_TEXT])
            change = DeviceChange(since_ns, ts_ns, index, name, kind, told.get("present") is True)
            found[change] = None
    return sorted(found, key=lambda change: change.ts_ns)


def gaps(notes: Iterable[Note]) -> list[str]:
    """What was not watched, each once."""
    return list(dict.fromkeys(text for note in notes for text in _texts([note.get("gap")])))


def _number(value: object, otherwise: int | None) -> int | None:
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63
    return value if good and isinstance(value, int) else otherwise


def _is_cidr(text: str) -> bool:
    try:
        ip_interface(text)
    except ValueError:
        return False
    return True
