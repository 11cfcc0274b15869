"""Writes small MaxMind-format databases (MaxMind DB file format 2.0), for tests."""

from __future__ import annotations

from ipaddress import ip_network

Value = str | int | bool | dict[str, "Value"]

UTF8, UINT16, UINT32, MAP, UINT64, ARRAY, BOOLEAN = 2, 5, 6, 7, 9, 11, 14


def integer(kind: int, value: int) -> bytes:
    """An integer of the given type, without leading zeros."""
    data = value.to_bytes(8, "big").lstrip(b"\0")
    return _head(kind, len(data)) + data


def encode(value: Value) -> bytes:
    """One value of the data section."""
    if isinstance(value, bool):
        return _head(BOOLEAN, int(value))
    if isinstance(value, int):
        return integer(UINT32, value)
    if isinstance(value, str):
        data = value.encode()
        return _head(UTF8, len(data)) + data
    parts = [encode(name) + encode(item) for name, item in value.items()]
    return _head(MAP, len(parts)) + b"".join(parts)


def _head(kind: int, size: int) -> bytes:
    assert size < 285
    control, more = (size, b"") if size < 29 else (29, bytes([size - 29]))
    if kind > 7:
        return bytes([control, kind - 7]) + more
    return bytes([kind << 5 | control]) + more


def database(places: dict[str, Value], *, version: int = 4, epoch: int = 1_700_000_000) -> bytes:
    """A database of the given ranges, which must not overlap."""
    bits = 32 if version == 4 else 128
    tree: list[list[int | bytes | None]] = [[None, None]]
    for text, value in places.items():
        network = ip_network(text)
        start = int(network.network_address)
        node = 0
        for depth in range(network.prefixlen):
            way = start >> (bits - 1 - depth) & 1
            if depth == network.prefixlen - 1:
                tree[node][way] = encode(value)
                break
            child = tree[node][way]
            if not isinstance(child, int):
                child = tree[node][way] = len(tree)
                tree.append([None, None])
            node = child
    data = b""
    nodes = b""
    for pair in tree:
        for record in pair:
            if isinstance(record, bytes):
                number = len(tree) + 16 + len(data)
                data += record
            else:
                number = len(tree) if record is None else record
            nodes += number.to_bytes(3, "big")
    meta = {
        "node_count": integer(UINT32, len(tree)),
        "record_size": integer(UINT16, 24),
        "ip_version": integer(UINT16, version),
        "database_type": encode("Test-Country"),
        "binary_format_major_version": integer(UINT16, 2),
        "binary_format_minor_version": integer(UINT16, 0),
        "build_epoch": integer(UINT64, epoch),
        "languages": _head(ARRAY, 0),
        "description": _head(MAP, 0),
    }
    parts = b"".join(encode(name) + value for name, value in meta.items())
    marker = b"\xab\xcd\xefMaxMind.com"
    return nodes + bytes(16) + data + marker + _head(MAP, len(meta)) + parts
