"""What happens to a machine under watch, clean and with one leak: the verdict, and the recording's.

`make scenes` plays each three times and holds the watch to a second.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from conftest import need_tool
from watch_scene_list import SCENES, tunnel
from watch_scenes import Scene, judged, play

LONG = "PCAPLEAK_SCENES" in os.environ
TIMES = 3 if LONG else 1
TOLD_S = 1.0 if LONG else 5.0
"""A machine that runs other tests too takes its time."""


@pytest.mark.parametrize("number", range(TIMES))
@pytest.mark.parametrize("leaky", [False, True], ids=["clean", "leaky"])
@pytest.mark.parametrize("scene", SCENES, ids=[scene.name for scene in SCENES])
def test_a_machine_that_changes_is_judged_right(
    scene: Scene, leaky: bool, number: int, root_network: None, tmp_path: Path
) -> None:
    for tool in ("wireguard-go", "wg", "nft", "dnsmasq", "udhcpc", "openssl", "nsenter", "ssh"):
        need_tool(tool)
    played = play(scene, tmp_path, leaky=leaky)
    assert played.verdict == ("leak" if leaky else "no-leak"), played.report["verdict"]
    if leaky:
        assert played.told_s is not None
        assert played.told_s < TOLD_S
        leaks = [one["id"] for one in played.report["findings"] if one["severity"] != "info"]
        assert len(leaks) == len(set(leaks)), "one packet, on bridge and port, is one finding"
    assert judged(played.replayed) == judged(played.report)


def test_a_peer_that_gets_another_server_is_asked_for_it(
    root_network: None, tmp_path: Path
) -> None:
    """The kernel sends no notice of it, and the watch may not ask: a process beside it does."""
    (scene,) = (scene for scene in SCENES if scene.name == "other-server")
    fields = play(scene, tmp_path, leaky=False).report["policy"]["fields"]
    told = {"198.51.100.40:51820/udp", "198.51.100.41:51820/udp"}
    assert set(fields["vpn_endpoints"]["value"]) == told
    assert fields["vpn_endpoints"]["confidence"] == "certain"


def test_a_way_out_that_is_not_watched_is_said_and_no_proof(
    root_network: None, tmp_path: Path
) -> None:
    """At the start, and in the report: nothing shows what left there."""
    scene = Scene(
        "unwatched", tunnel, lambda *_: time.sleep(0.5), lambda *_: None, ("--iface", "wg0")
    )
    played = play(scene, tmp_path, leaky=False)
    assert played.verdict == "inconclusive"
    gap = "the default route leads through eth0, which is not watched"
    assert any(gap in line for line in played.said)
    assert any(gap[1:] in limit for limit in played.gaps)


def test_an_uplink_that_comes_later_and_is_not_watched_is_a_gap(
    root_network: None, tmp_path: Path
) -> None:
    (uplink,) = (scene for scene in SCENES if scene.name == "uplink")
    options = ("--iface", "eth0", "--iface", "wg0")
    scene = Scene("unwatched", uplink.prepare, uplink.change, uplink.leak, options)
    played = play(scene, tmp_path, leaky=True)
    assert played.verdict == "inconclusive"
    assert "wlan0, which is not watched" in played.report["verdict"]["reason"]
    assert judged(played.replayed)["verdict"] == judged(played.report)["verdict"]
