"""Real SOCKS proxies in namespaces: their relays and ways out are never leaks, joined late or not;
what goes beside them is."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import need_tool

from captures.lab.carriers import LEAKS
from captures.lab.proxies import PROXIES, Proxy, record
from pcapleak.pipeline.analyze import analyze
from pcapleak.policy.policy import Policy

PROGRAMS = {"Dante": ("danted",), "SshProxy": ("sshd", "ssh", "ssh-keygen")}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", PROXIES, ids=lambda kind: kind.__name__)
def test_a_proxys_traffic_is_no_leak_and_what_goes_beside_it_is(
    kind: type[Proxy], root_network: None, tmp_path: Path
) -> None:
    for program in ("turnserver", "dnsmasq", "dumpcap", "nft", *PROGRAMS[kind.__name__]):
        need_tool(program)
    made = record(kind, tmp_path)
    # TCP beside a proxy is a leak only where the policy says so.
    policy = Policy.from_options(proxy=[made.endpoint], strict=True)
    for whole in (made.early, made.late):
        for leak in (None, *LEAKS):
            path = made.cut(whole, tmp_path / "cut.pcapng", leak)
            verdict = analyze(path, policy).verdict
            assert (verdict.result == "leak") == (leak is not None), (
                whole.stem, leak, verdict.reason,
            )  # fmt: skip
