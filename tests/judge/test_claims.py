"""What a verdict hangs on is told with its witnesses, and is as strong as they are."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from builders import (
    CLIENT,
    ETH0,
    INNER,
    PUBLIC,
    STUN,
    WEB,
    WG0,
    Recording,
    binding_request,
    binding_success,
    judged,
    of,
)
from case_keys import CASES, Run, policy_of, report_of, runs

import pcapleak
from pcapleak.judge.claims import MAX_CLAIMS
from pcapleak.policy.policy import Policy
from pcapleak.report.document import ClaimEntry

STRENGTHS = ("typical", "conserved", "proven", "told")


def claims(capture: str, *options: str) -> list[ClaimEntry]:
    (path,) = CASES.glob(f"{capture}.pcap*")
    return pcapleak.analyze(path, policy_of(list(options))).document.claims


def about(found: list[ClaimEntry], question: str) -> dict[str, ClaimEntry]:
    return {one.subject: one for one in found if one.question == question}


def test_a_carrier_is_told_proven_conserved_or_guessed() -> None:
    found = claims("b-openconnect-start", "--tunnel", "tun0")
    (carrier,) = about(found, "carrier").values()
    assert carrier.strength == "conserved"
    found = claims("b-openconnect-start", "--vpn-endpoint", "146.70.112.2")
    (carrier,) = about(found, "carrier").values()
    assert carrier.strength == "told"
    (carrier,) = about(claims("f-rotating-v6"), "carrier").values()
    assert [one.strength for one in carrier.witnesses][:1] == ["proven"]
    (carrier,) = about(
        claims("r06-singbox-fakeip-hysteria", "--tunnel", "tun0"), "carrier"
    ).values()
    assert carrier.strength == "typical"
    assert carrier.settled_by == "--vpn-endpoint 198.51.100.40:443"


def test_a_server_that_resembles_an_inside_does_not_carry_it() -> None:
    """Less came out there than went in with its headers."""
    (side,) = (one for one in claims("f-rotating-v6") if one.subject == "wg0")
    assert not any("comes out" in one.says for one in side.witnesses)


def test_given_addresses_and_exits_are_told() -> None:
    found = claims("b-socks-udp-stun", "--proxy", "socks5://185.199.110.30:1081",
                   "--client", "10.20.30.40", "--exit-ip", "185.199.110.30")  # fmt: skip
    assert about(found, "client")["10.20.30.40"].strength == "told"
    assert about(found, "exit")["185.199.110.30"].strength == "told"


@pytest.mark.parametrize("run", runs()[::5], ids=lambda run: run.name)
def test_a_claim_is_as_strong_as_its_strongest_witness(run: Run) -> None:
    """And what only habit speaks for names the option that would tell it."""
    report = report_of(run)
    for claim in report["claims"]:
        ranks = [STRENGTHS.index(one["strength"]) for one in claim["witnesses"]]
        assert ranks == sorted(ranks, reverse=True)
        assert STRENGTHS[max(ranks, default=0)] == claim["strength"]
        assert not claim["settled_by"] or claim["strength"] == "typical"
    fields = report["policy"]["fields"]
    asked = {one["subject"] for one in report["claims"] if one["question"] == "client"}
    wanted = [
        value.removesuffix("/32").removesuffix("/128") for value in fields["clients"]["value"]
    ]
    assert set(wanted[:MAX_CLAIMS]) <= asked


@pytest.mark.parametrize("run", runs()[::4], ids=lambda run: run.name)
def test_what_settles_an_answer_turns_no_verdict(run: Run) -> None:
    """Followed, the options make no leak of a clean capture, nor a leak a clean one."""
    report = report_of(run)
    hints = {word for claim in report["claims"] for word in [claim["settled_by"]] if word}
    options = [*run.wanted["options"], *shlex.split(" ".join(sorted(hints)))]
    followed = report_of(run._replace(wanted={**run.wanted, "options": options}))
    turned = {report["verdict"]["result"], followed["verdict"]["result"]}
    assert not ("leak" in turned and len(turned) > 1), (hints, followed["verdict"]["reason"])


def test_a_finding_is_no_surer_than_that_there_is_a_tunnel(tmp_path: Path) -> None:
    """Its device's name alone says so, until the policy does."""
    recording = Recording()
    for i in range(10):
        recording.tcp(100 * i, WG0, INNER, 41000 + i, WEB, 443, b"q" * 200, b"a" * 400)
    answer = binding_success(PUBLIC, 40000)
    recording.exchange(2000, ETH0, CLIENT, 40000, STUN, 3478, binding_request(), answer)
    client = {"client": [CLIENT]}
    guessed = judged(recording, Policy.from_options(**client), tmp_path)
    (finding,) = of(guessed, "PL101")
    assert finding.confidence == "high"
    told = judged(recording, Policy.from_options(**client, tunnel=["wg0"]), tmp_path)
    (finding,) = of(told, "PL101")
    assert finding.confidence == "certain"
