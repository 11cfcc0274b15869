"""What a watch knew of its machine, written into recordings and read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pcapleak import analyze
from pcapleak.capture import open_capture
from pcapleak.capture.machine_notes import (
    PREFIX,
    apply_interfaces,
    device_changes,
    gaps,
    policy_note,
    read_note,
    read_policy_note,
    write_note,
)
from pcapleak.capture.writer import PcapngWriter
from pcapleak.policy.policy import Policy
from pcapleak.values.packets import Interface


@pytest.mark.parametrize(
    "given",
    [
        {"tunnel": ["wg0"], "vpn_endpoint": ["198.51.100.40:51820/udp"]},
        {"proxy": ["socks5://127.0.0.1:1080"], "strict": True, "always_on": True},
        {"tunnel": ["wg0"], "lan": ["none"], "allow": ["*:123/udp"], "exit_ip": ["192.0.2.1"]},
        {"tunnel": ["wg0", "tun1"], "client": ["192.168.50.42"], "require": ["dns,udp"]},
    ],
)
def test_a_policy_comes_back_as_it_was(given: dict[str, Any]) -> None:
    policy = Policy.from_options(**given)
    note = read_note(write_note(policy_note(policy)))
    assert note is not None
    assert read_policy_note(note) == policy


@pytest.mark.parametrize(
    "text",
    [
        "[]", "1", "{", '{"policy":1}', '{"policy":{"tunnel":[1]}}', '{"policy":{"tunnel":{}}}',
        '{"policy":{"tunnel":[{}],"proxy":[]}}', '{"policy":{"nosuch":1,"tunnel":[],"proxy":[]}}',
        '{"device":{"name":1}}', '{"interface":{"name":"eth0","addresses":["x",1],"index":-1}}',
        '{"gap":7}', "[" * 50_000,
    ],
)  # fmt: skip
def test_a_note_that_makes_no_sense_is_left_out(text: str) -> None:
    note = read_note(PREFIX + text)
    interface = Interface(0, 0, 1, name="eth0")
    if note is not None:
        assert read_policy_note(note) is None
        assert device_changes([note]) == []
        assert gaps([note]) == []
        apply_interfaces([note], [interface])
    assert interface == Interface(0, 0, 1, name="eth0")


def test_only_what_pcapleak_wrote_is_asked(tmp_path: Path) -> None:
    """The same comment in another program's section is a comment."""
    path = tmp_path / "own.pcapng"
    interface = Interface(0, 0, 1, name="eth0")
    with PcapngWriter(path) as writer:
        note = policy_note(Policy.from_options(tunnel=["wg7"]))
        writer.add_note(interface, 1_700_000_000_000_000_000, write_note(note))
        writer.write(interface, 1_700_000_000_000_000_000, bytes(60), 60)
    with open_capture(path) as source:
        list(source)
        assert len(source.machine) == 1
    assert analyze(path).document.policy.fields["tunnels"].value == ["wg7"]
    data = path.read_bytes()
    assert data.count(b"pcapleak") > 1
    path.write_bytes(data.replace(b"pcapleak", b"pcapleek", 1))
    with open_capture(path) as source:
        list(source)
        assert source.machine == []
