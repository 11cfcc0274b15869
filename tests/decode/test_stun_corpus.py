"""Real captures: what tshark decodes as STUN and TURN, decoded equal; what it misses, found.

Every difference is listed here with its reason.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from pcapleak.decode.stun import attributes as attr
from pcapleak.decode.stun.decoder import StunMessage
from pcapleak.decode.stun.turn import ChannelData
from pcapleak.errors import CaptureError
from pcapleak.explain.messages import read_messages
from pcapleak.values.packets import Context, Endpoint

Found = tuple[Context, StunMessage | ChannelData]

MULTIPLEXED = {("ndpi__teams.pcap", 1424), ("ndpi__teams.pcap", 1427)}
"""[MS-TURN] multiplexing: 0xFF10, length and session id come before a STUN message, which tshark
lists as ChannelData."""
MEDIA_IN_CHANNELS = {
    ("ndpi__stun.pcap", frame) for frame in (113, 115, 117, 123, 130, 135, 136, 137, 200)
}
"""ChannelData that holds RTP or RTCP: counted as traffic of the flow, not decoded one by one."""

TSHARK_READS_LESS = {
    ("ndpi__teams.pcap", "attr_types"): "takes [MS-TURN]'s unpadded attributes for padded ones, "
    "so it stops at the first value that is no multiple of four",
    ("ndpi__teams.pcap", "mapped"): "the same",
    ("ndpi__teams.pcap", "xor_mapped"): "the same",
    ("ndpi__teams.pcap", "xor_peer"): "reads no [MS-TURN] peer address in clear",
    ("ndpi__teams.pcap", "xor_relayed"): "[MS-TURN] has the relayed address in MAPPED-ADDRESS",
    ("ndpi__teams.pcap", "username"): "[MS-TURN] user names are binary, no text",
    ("ndpi__teams.pcap", "realm"): "[MS-TURN] has REALM and NONCE the other way round",
    ("ndpi__stun_classic.pcap", "attr_types"): "names no attribute of RFC 3489 in its output",
    ("ndpi__stun_classic.pcap", "mapped"): "the same",
    ("ndpi__zoom.pcap", "attr_types"): "the same",
    ("SEED-pion__ex1_chrome.pcap", "attr_types"): "does not know ORIGIN",
    ("ndpi__wa_voice.pcap", "attr_types"): "leaves WhatsApp's attributes out of its list",
    ("ndpi__whatsapp_voice_and_message.pcap", "attr_types"): "the same",
    ("zeek-spicy-stun__stun-attribute-length-ffff.pcap", "attr_types"): "an attribute of 65535 "
    "bytes in a message of 12: lists it twice",
    ("zeek-spicy-stun__stun-attribute-length-ffff.pcap", "mapped"): "the same",
}
"""Where ours and tshark's differ because tshark's is wrong or less, by file and field."""

BEYOND_TSHARK = {
    "inside TURN": 65,  # in DATA and ChannelData, which tshark shows as bytes
    "behind a session of [MS-TURN]": 2,  # tshark shows ChannelData
    "method above 0x0FF": 13,  # WhatsApp's, which RFC 7983 leaves no room for
}


def text(value: Endpoint | str | int | None) -> str:
    return "" if value is None else str(value)


def described(message: StunMessage) -> dict[str, str]:
    """A message in the columns of the truth files."""
    error = message.error
    return {
        "type_hex": f"0x{message.message_type:04x}",
        "length": str(message.length),
        "txid": message.transaction_id.hex(),
        "xor_mapped": text(message.xor_mapped_address),
        "mapped": text(message.plain_mapped_address),
        "xor_peer": ";".join(str(peer) for peer in message.peer_addresses),
        "xor_relayed": text(message.relayed_address),
        "username": message.username or "",
        "priority": text(message.priority),
        "ice_controlling": "" if (v := message.ice_controlling) is None else f"{v:016x}",
        "ice_controlled": "" if (v := message.ice_controlled) is None else f"{v:016x}",
        "use_candidate": "1" if message.use_candidate else "",
        "software": message.software or "",
        "error_code": text(error.code) if error else "",
        "error_reason": error.reason if error else "",
        "realm": message.realm or "",
        "channel": "" if (v := message.channel_number) is None else f"0x{v:04x}",
        "fingerprint": {"ok": "good", "bad": "bad", None: ""}[message.fingerprint],
        "attr_types": ";".join(f"0x{raw.type:04x}" for raw in message.attributes),
    }


def truth_of(corpus: Path, name: str) -> dict[int, list[dict[str, str]]]:
    rows: dict[int, list[dict[str, str]]] = defaultdict(list)
    path = corpus / "public-truth" / f"{name}.stun.tsv"
    if path.exists():
        with path.open(newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                rows[int(row["frame"])].append(row)
    return rows


def found_in(path: Path) -> dict[int, list[Found]]:
    found: dict[int, list[Found]] = defaultdict(list)
    try:
        for context, message in read_messages(path):
            if isinstance(message, StunMessage | ChannelData):
                found[context.frame].append((context, message))
    except CaptureError:
        pass  # some of the corpus is no capture at all, on purpose
    return found


@pytest.fixture(scope="module")
def everything(corpus: Path) -> dict[str, dict[int, list[Found]]]:
    paths = sorted((corpus / "public").iterdir())
    return {path.name: found_in(path) for path in paths}


def test_equal_to_tshark_field_by_field(
    corpus: Path,
    everything: dict[str, dict[int, list[Found]]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    totals: Counter[str] = Counter()
    unexplained = []
    for name, found in everything.items():
        for frame, rows in truth_of(corpus, name).items():
            mine = iter(found.get(frame, ()))
            for row in rows:
                where = f"{name} frame {frame} message {row['msg']}"
                if row["class"] == "channeldata":
                    totals["ChannelData rows"] += 1
                    key = (name, frame)
                    if key in MULTIPLEXED:
                        (_, inner), *_ = found[frame]
                        assert isinstance(inner, StunMessage), where
                        assert (inner.fingerprint, inner.problems) == ("ok", ()), where
                        continue
                    if key in MEDIA_IN_CHANNELS:
                        assert not found.get(frame), where
                        continue
                    assert any(isinstance(m, ChannelData) for _, m in found[frame]), where
                    next(mine)
                    continue
                context, message = next(mine, (None, None))
                if not isinstance(message, StunMessage) or context is None:
                    unexplained.append(f"{where}: not found")
                    continue
                totals["STUN rows"] += 1
                quoted = "icmp-quote" in context.layers
                if quoted is not (row["in_icmp"] == "1"):
                    unexplained.append(f"{where}: quoted {quoted}")
                row["length"] = str(int(row["length"], 0))  # hexadecimal for RFC 3489
                for field, value in described(message).items():
                    totals["fields compared"] += 1
                    if value == row[field]:
                        continue
                    if (name, field) in TSHARK_READS_LESS:
                        totals["fields where tshark reads less"] += 1
                    else:
                        unexplained.append(f"{where}: {field} {value!r}, tshark {row[field]!r}")
    with capsys.disabled():
        sys.stdout.write(f"\nSTUN and TURN against tshark: {dict(totals)}\n")
    assert unexplained == []
    assert totals["STUN rows"] >= 700


def test_nothing_found_that_is_not_there(
    corpus: Path,
    everything: dict[str, dict[int, list[Found]]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No message beyond tshark's but those inside TURN and those of high methods."""
    beyond: Counter[str] = Counter()
    unexplained = []
    for name, found in everything.items():
        truth = truth_of(corpus, name)
        for frame, messages in found.items():
            expected = Counter(row["type_hex"] for row in truth.get(frame, ()))
            for context, message in messages:
                if isinstance(message, ChannelData):
                    if not truth.get(frame):
                        unexplained.append(f"{name} frame {frame}: ChannelData")
                    continue
                type_ = f"0x{message.message_type:04x}"
                if expected[type_]:
                    expected[type_] -= 1
                elif "turn" in context.layers:
                    beyond["inside TURN"] += 1
                elif (name, frame) in MULTIPLEXED:
                    beyond["behind a session of [MS-TURN]"] += 1
                elif message.method > 0xFF:
                    beyond["method above 0x0FF"] += 1
                else:
                    unexplained.append(f"{name} frame {frame}: {message.type_name}")
    with capsys.disabled():
        sys.stdout.write(f"\nSTUN beyond tshark: {dict(beyond)}\n")
    assert unexplained == []
    assert beyond == BEYOND_TSHARK


def test_what_tshark_misses_is_found(
    corpus: Path, everything: dict[str, dict[int, list[Found]]]
) -> None:
    """Every genuine row of DISAGREE.tsv: methods above 0x0FF."""
    with (corpus / "public-truth" / "DISAGREE.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert rows
    for row in rows:
        messages = [m for _, m in everything[row["file"]][int(row["frame"])]]
        assert [f"0x{m.message_type:04x}" for m in messages] == [row["type"]]
        assert messages[0].has(0x4000)
        assert messages[0].problems == ("attribute WHATSAPP-RELAY-TOKEN at byte 24 is not padded",)


def test_a_magic_cookie_is_not_overlooked(
    corpus: Path, everything: dict[str, dict[int, list[Found]]]
) -> None:
    """The scan for cookies, independent of any dissector: each whole message is found."""
    scanned = 0
    for path in sorted((corpus / "public-truth").glob("*.cookiescan.tsv")):
        name = path.name.removesuffix(".cookiescan.tsv")
        with path.open(newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                if row["kind"] in ("exact", "trailing-bytes") and row["transport"] == "udp":
                    types = [
                        f"0x{m.message_type:04x}"
                        for _, m in everything[name].get(int(row["frame"]), ())
                        if isinstance(m, StunMessage)
                    ]
                    assert row["type"] in types, f"{name} frame {row['frame']}"
                    scanned += 1
    assert scanned >= 600


def test_nested_endpoints_are_the_relays(everything: dict[str, dict[int, list[Found]]]) -> None:
    """A check inside a Send indication runs from the relayed address to the peer."""
    (_, carrier), (inner, check) = everything["ndpi__viber.pcap"][459]
    assert carrier.type_name == "Send Indication"
    assert inner.destination == carrier.peer_addresses[0]
    assert inner.outer is not None
    assert check.username
    assert check.has(attr.PRIORITY)
