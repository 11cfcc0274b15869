"""Cases with the right answer: `captures/cases/NAME.json` beside each capture.

A key is {"about", "source", "runs": [{"options", "verdict": [allowed], "must", "must_not",
"exposed", "reason_has", "process", "sessions"}], "page"}. `must_not` are findings that may stand
only as information; `sessions` is by client address; `page` is what each host's page or program
itself read, with what packets can show of each candidate (`showable`: yes; name: announced, but
no packet left its port; port: its name was never announced; no).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from abuse_list import section
from places import ROOT

import pcapleak
from pcapleak.policy.policy import Policy
from pcapleak.report.writers.json import to_json

CASES = ROOT / "captures" / "cases"
FLAGS = {"always_on", "strict"}
"""Options without a value."""


class Run(NamedTuple):
    """One capture judged one way, with its key."""

    capture: Path
    key: dict[str, Any]
    wanted: dict[str, Any]

    @property
    def name(self) -> str:
        return " ".join([self.capture.name.split(".")[0], *self.wanted["options"]])


def runs() -> list[Run]:
    """All runs of all cases."""
    found = []
    for path in sorted(CASES.glob("*.pcap*")):
        key = json.loads((CASES / f"{path.name.split('.')[0]}.json").read_text())
        found += [Run(path, key, wanted) for wanted in key["runs"]]
    return found


def policy_of(options: list[str]) -> Policy:
    """The policy that command-line options give."""
    given: dict[str, Any] = {}
    policy = Policy()
    words = iter(options)
    for word in words:
        name = word.removeprefix("--").replace("-", "_")
        if name in FLAGS:
            given[name] = True
        elif name == "policy":
            policy = Policy.from_toml(CASES / next(words))
        elif name in ("timezone",):
            given[name] = next(words)
        else:
            given.setdefault(name, []).append(next(words))
    return policy.merged(Policy.from_options(**given))


def report_of(run: Run) -> dict[str, Any]:
    """The report as the published JSON has it."""
    here = Path.cwd()
    os.chdir(CASES)
    try:
        report = pcapleak.analyze(
            run.capture.name, policy_of(run.wanted["options"]), all_flows=False
        )
    finally:
        os.chdir(here)
    written = json.loads(to_json(report.document))
    found: dict[str, Any] = written
    return found


def faults(run: Run, report: dict[str, Any]) -> list[str]:
    """What a report says that the key does not want, and what it lacks."""
    return [*_of_verdict(run.wanted, report), *_of_sessions(run.wanted, report),
            *_of_pages(run.key, report)]  # fmt: skip


def _of_verdict(wanted: dict[str, Any], report: dict[str, Any]) -> Iterator[str]:
    verdict = report["verdict"]
    if verdict["result"] not in wanted["verdict"]:
        yield f"{verdict['result']}, wanted {'/'.join(wanted['verdict'])}"
    raised = {finding["id"] for finding in report["findings"]}
    loud = {finding["id"] for finding in report["findings"] if finding["severity"] != "info"}
    yield from (f"no {name}" for name in wanted.get("must", []) if name not in raised)
    yield from (f"{name} raised" for name in wanted.get("must_not", []) if name in loud)
    exposed = wanted.get("exposed")
    if exposed is not None and set(verdict["exposed_addresses"]) != set(exposed):
        yield f"exposed {verdict['exposed_addresses']}, wanted {exposed}"
    if wanted.get("reason_has") and wanted["reason_has"] not in verdict["reason"]:
        yield f"the reason does not name {wanted['reason_has']}"
    program = wanted.get("process")
    if program and not any(program in (flow["process"] or "") for flow in report["flows"]):
        yield f"no flow of {program}"


def _of_sessions(wanted: dict[str, Any], report: dict[str, Any]) -> Iterator[str]:
    for client, key in (wanted.get("sessions") or {}).items():
        mine = [s for s in report["ice_sessions"] if client in s["client_addresses"]]
        engines = key.get("engine")
        if not mine and engines and "none" not in engines:
            yield f"{client}: no session"
        for session in mine:
            if engines and session["engine"] not in engines:
                yield f"{client}: engine {session['engine']}, wanted {engines}"
            mode = session["ip_handling_mode"]["mode"]
            if "mode" in key and mode not in key["mode"]:
                yield f"{client}: mode {mode}, wanted {key['mode']}"


def _of_pages(key: dict[str, Any], report: dict[str, Any]) -> Iterator[str]:
    for page in key.get("page", {}).values():
        addresses = set(page["addresses"])
        sessions = [s for s in report["ice_sessions"] if addresses & set(s["client_addresses"])]
        yield from _missing(page["candidates"], sessions)
        yield from _invented(page["candidates"], sessions, relay_only=key.get("relay_only", False))


def _name(candidate: dict[str, Any]) -> str:
    return (candidate.get("mdns_name") or "").lower()


def _missing(rows: list[dict[str, Any]], sessions: list[dict[str, Any]]) -> Iterator[str]:
    have = [candidate for session in sessions for candidate in session["candidates"]]
    for row in rows:
        same = [c for c in have if c["type"] == row["type"]]
        port = [c for c in same if c.get("port") == row["port"]]
        shown = {
            "yes": any(row["address"] in (c.get("address"), _name(c)) for c in port),
            "port": bool(port),
            "name": any(_name(c) == row["address"] for c in same),
            "no": True,
        }
        if not shown[row["showable"]]:
            yield f"missing {row['type']} {row['address']}:{row['port']} ({row['showable']})"


def _invented(
    rows: list[dict[str, Any]], sessions: list[dict[str, Any]], *, relay_only: bool
) -> Iterator[str]:
    connection = {row["port"]: row["connection"] for row in rows}
    announced: dict[str, set[Any]] = {}
    for row in rows:
        if row["address"].endswith(".local"):
            announced.setdefault(row["address"], set()).add(row["connection"])
    told = {(row["type"], row["address"], row["port"]) for row in rows}
    for session in sessions:
        known = {
            connection[c["port"]]
            for c in session["candidates"]
            if c.get("port") in connection and c["type"] in ("host", "srflx")
        }
        for candidate in session["candidates"]:
            kind, port, name = candidate["type"], candidate.get("port"), _name(candidate)
            if candidate["evidence"] in ("signalled", "page") or kind == "prflx":
                continue
            if relay_only and kind != "relay":
                continue
            if kind in ("srflx", "relay"):
                if (kind, candidate["address"], port) not in told:
                    yield f"invented {kind} {candidate['address']}:{port}"
            elif port is not None:
                mine = [r for r in rows if r["type"] == "host" and r["port"] == port]
                if not mine:
                    yield f"invented host {candidate['address']}:{port}"
                elif name and not any(r["address"] in (name, candidate["address"]) for r in mine):
                    yield f"wrong name at port {port}: {name}"
            elif name:
                if name not in announced:
                    yield f"invented name {name}"
                elif known and not announced[name] & known:
                    yield f"wrong session {name}"


KINDS = {
    "r": "facts of public reports, made as captures or recorded with real programs",
    "b": "browsers and other WebRTC stacks, with what each page or program itself read",
    "f": "whose traffic it is, what happened before the tunnel, filters",
    "s": "a stranger's packets that hide or fake a leak",
    "w": "a clean full tunnel under carriers of several shapes",
    "l": "WebRTC against loopback and LAN, data in usernames, LAN traffic beside a tunnel",
    "p": "captures that name the program of a packet",
    "g": "exits, resolvers, clocks and languages",
}


def page(falls_short: dict[str, str]) -> str:
    """`docs/results.md`: how far verdicts can be trusted, by kind of case."""
    lines = [
        "# How often the answer is right",
        "",
        "Situations in which a verdict was wrong once, or could be, each with its right answer:",
        "what verdicts it may have, which findings it must and must not have, which addresses are",
        "exposed, and what a browser's page itself read. The captures are in `captures/cases`;",
        "`tests/recordings/test_cases.py` judges each anew, and `make docs` makes this page.",
        "",
        "| kind | captures | ways to judge them | right |",
        "|---|---|---|---|",
    ]
    all_runs = runs()
    for letter, what in KINDS.items():
        mine = [run for run in all_runs if run.capture.name.startswith(letter)]
        right = sum(run.name not in falls_short for run in mine)
        captures = len({run.capture for run in mine})
        lines.append(f"| {what} | {captures} | {len(mine)} | {right} |")
    right = len(all_runs) - len(falls_short)
    captures = len({run.capture for run in all_runs})
    lines.append(f"| all | {captures} | {len(all_runs)} | {right} |")
    if falls_short:
        lines += ["", "Not yet as it should be:", ""]
        lines += [f"- `{name}`: {why}" for name, why in falls_short.items()]
    lines += [
        "",
        "## WebRTC stacks that are no browsers",
        "",
        "What each read itself, how much of it packets show, and what the report lacks or made up.",
        "",
        "| recording | read | shown by packets | missing | made up |",
        "|---|---|---|---|---|",
    ]
    lines += [_stack(run) for run in all_runs if _is_no_browser(run)]
    lines += ["", *section()]
    return "\n".join(lines) + "\n"


def _is_no_browser(run: Run) -> bool:
    sessions = (run.wanted.get("sessions") or {}).values()
    other = any("other" in session.get("engine", ()) for session in sessions)
    return other and bool(run.key.get("page"))


def _stack(run: Run) -> str:
    rows = [row for page in run.key["page"].values() for row in page["candidates"]]
    shown = sum(row["showable"] != "no" for row in rows)
    wrong = list(_of_pages(run.key, report_of(run)))
    missing = sum(one.startswith("missing") for one in wrong)
    return f"| {run.key['about']} | {len(rows)} | {shown} | {missing} | {len(wrong) - missing} |"
