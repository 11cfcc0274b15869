"""The commands, run as a user runs them."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from cli_runs import DIRECT, PROXY, SOCKS, imported, run
from places import ROOT

from pcapleak.cli.progress import MIN_BYTES
from pcapleak.report.json_schema import schema

SLOW = {"pandas", "scapy", "pyshark", "dpkt", "jinja2", "matplotlib", "dask"}


def test_an_option_is_not_taken_for_a_file_to_write(tmp_path: Path) -> None:
    """And nothing of its name is left behind."""
    result = run("analyze", SOCKS, "--json", "--exit-zero", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("pcapleak: --exit-zero: this is an option, where")
    assert list(tmp_path.iterdir()) == []


def test_help_loads_nothing_slow() -> None:
    """`--help` and `--version` answer at once because they load typer and nothing more."""
    assert not (SLOW | {"numpy", "pydantic"}) & imported("--help")
    assert not (SLOW | {"numpy", "pydantic", "rich"}) & imported("--version")


def test_analyze_loads_nothing_it_does_not_use() -> None:
    """A plain analysis needs neither tables nor templates; as JSON no terminal, and nothing that
    Python is slow to load."""
    assert not SLOW & imported("analyze", SOCKS, "--proxy", PROXY)
    slow = SLOW | {"rich", "pydantic", "email", "logging", "concurrent", "multiprocessing",
                   "asyncio", "zoneinfo", "tomllib", "tempfile", "cryptography"}  # fmt: skip
    assert not slow & imported("analyze", SOCKS, "--proxy", PROXY, "--json", "-")


def test_leak_is_found_and_exits_1() -> None:
    """A browser behind a SOCKS proxy that leaks: three lines tell it, and the status is 1."""
    result = run("analyze", SOCKS, "--proxy", PROXY)
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    assert lines[0].split()[0] == "LEAK"
    assert lines[1] == "Exposed  203.0.113.7"
    assert lines[2].startswith("Why ")
    assert "PL101" in result.stdout
    assert result.stderr == ""


def test_no_policy_exits_0() -> None:
    """Without anything to judge by the report informs, and the status is 0."""
    result = run("analyze", DIRECT, "--no-infer")
    assert result.returncode == 0
    assert result.stdout.split()[:2] == ["NO", "POLICY"]


def test_exit_zero_reports_without_failing() -> None:
    """`--exit-zero` keeps a leak from failing a script."""
    assert run("analyze", SOCKS, "--proxy", PROXY, "--exit-zero", "-q").returncode == 0


@pytest.mark.parametrize(("severity", "status"), [("critical", 1), ("info", 1)])
def test_fail_on(severity: str, status: int) -> None:
    """`--fail-on` counts findings of its severity and above."""
    result = run("analyze", SOCKS, "--proxy", PROXY, "-q", "--fail-on", severity)
    assert result.returncode == status


def test_json_on_standard_output_is_the_report_and_nothing_else() -> None:
    """`--json -` can be piped: one document, valid by the published schema."""
    result = run("analyze", SOCKS, "--proxy", PROXY, "--json", "-")
    document = json.loads(result.stdout)
    jsonschema.Draft202012Validator(schema()).validate(document)
    assert document["verdict"]["result"] == "leak"
    assert result.returncode == 1


def untimed(page: Path) -> str:
    """A page without the time at which it was made."""
    return re.sub(r"(?<= at )[-0-9]+ [:0-9]+ UTC", "", page.read_text(encoding="utf-8"))


def test_two_runs_give_the_same_bytes(tmp_path: Path) -> None:
    """Nothing in a report depends on the machine or the run; a page says when it was made."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        run(
            *("analyze", SOCKS, "--json", "report.json", "--html", "report.html"),
            cwd=tmp_path / name,
            PYTHONHASHSEED="1" if name == "a" else "2",
        )
    one, other = tmp_path / "a", tmp_path / "b"
    assert (one / "report.json").read_bytes() == (other / "report.json").read_bytes()
    assert untimed(one / "report.html") == untimed(other / "report.html")


def test_several_files_are_an_array_with_a_report_each() -> None:
    """Each file is judged for itself."""
    result = run("analyze", SOCKS, DIRECT, "--json", "-", "--exit-zero")
    paths = [report["captures"][0]["path"] for report in json.loads(result.stdout)]
    assert paths == [str(SOCKS), str(DIRECT)]


def test_merged_files_are_one_report() -> None:
    """`--merge` puts all files on one timeline."""
    result = run("analyze", SOCKS, DIRECT, "--merge", "--json", "-", "--exit-zero")
    document = json.loads(result.stdout)
    assert [entry["path"] for entry in document["captures"]] == [str(SOCKS), str(DIRECT)]
    counts = [entry["packets"] for entry in document["captures"]]
    assert document["statistics"]["packets"] == sum(counts)


def test_unreadable_input_is_one_line_and_2_and_the_others_are_analyzed(tmp_path: Path) -> None:
    """One bad file costs only itself."""
    (tmp_path / "text.pcap").write_text("hello\n")
    (tmp_path / "empty.pcap").touch()
    missing = tmp_path / "missing.pcap"
    result = run(
        "analyze", missing, tmp_path, tmp_path / "empty.pcap", SOCKS, tmp_path / "text.pcap", "-q"
    )
    assert result.returncode == 2
    assert "socks.pcapng" in result.stdout
    lines = result.stderr.splitlines()
    assert len(lines) == 4
    for line in lines:
        # the path, what is wrong, what to do
        assert line.startswith("pcapleak: ")
        assert str(tmp_path) in line
        assert ";" in line


def test_merge_goes_on_without_an_unreadable_file(tmp_path: Path) -> None:
    """A bad file among merged ones is named and left out."""
    result = run("analyze", "--merge", SOCKS, tmp_path / "none.pcap", DIRECT, "--json", "-")
    assert result.returncode == 2
    assert len(json.loads(result.stdout)["captures"]) == 2
    assert "none.pcap" in result.stderr


def test_cut_file_is_reported_in_full(tmp_path: Path) -> None:
    """A capture cut in the middle of a packet gives a report of what is there."""
    cut = tmp_path / "cut.pcapng"
    cut.write_bytes(SOCKS.read_bytes()[:-100])
    result = run("analyze", cut, "--json", "-", "--exit-zero")
    assert result.returncode == 0
    capture = json.loads(result.stdout)["captures"][0]
    assert capture["truncated"]
    assert capture["packets"] > 100


def test_recursive_finds_captures_in_folders(tmp_path: Path) -> None:
    """Folders are searched with `--recursive`; an empty one is an error."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    shutil.copy(SOCKS, tmp_path / "a" / "b")
    (tmp_path / "a" / "notes.txt").write_text("no capture")
    found = run("analyze", "-r", tmp_path / "a", "--json", "-", "--exit-zero")
    assert [len(json.loads(found.stdout)), found.returncode] == [1, 0]
    empty = run("analyze", "-r", tmp_path / "empty")
    assert empty.returncode == 2
    assert "holds no capture" in empty.stderr


def test_standard_input() -> None:
    """A capture can be piped in."""
    result = run("analyze", "-", "--json", "-", "--exit-zero", stdin=SOCKS.read_bytes())
    assert json.loads(result.stdout)["captures"][0]["packets"] > 100


def test_policy_file_and_options_add_up(tmp_path: Path) -> None:
    """`policy init` writes a file that `analyze` takes, and options add to it."""
    policy = tmp_path / "policy.toml"
    assert run("policy", "init", policy).returncode == 0
    again = run("policy", "init", policy)
    assert (again.returncode, "exists" in again.stderr) == (2, True)
    result = run("analyze", SOCKS, "--policy", policy, "--proxy", PROXY, "--json", "-")
    fields = json.loads(result.stdout)["policy"]["fields"]
    assert fields["proxies"]["value"] == [PROXY]
    assert fields["proxies"]["source"] == "given"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--proxy", "nonsense"], "--proxy"),
        (["--lan", "300.1.2.3/8"], "--lan"),
        (["--policy", "/nonexistent.toml"], "/nonexistent.toml"),
        (["--json", "/nonexistent/report.json"], "/nonexistent/report.json"),
        (["--html", "/nonexistent/report.html"], "/nonexistent/report.html"),
        (["--fail-on", "terrible"], "--fail-on"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_wrong_options_exit_2_and_are_named(arguments: list[str], named: str) -> None:
    """A wrong option is named, with no traceback and status 2."""
    result = run("analyze", SOCKS, *arguments)
    assert result.returncode == 2
    assert named in result.stderr


def test_outputs_of_several_captures_are_folders(tmp_path: Path) -> None:
    """Not merged, each capture has its own files, numbered where two have one name."""
    html, tables, evidence = tmp_path / "pages", tmp_path / "tables", tmp_path / "evidence"
    arguments = [SOCKS, DIRECT, SOCKS, "--proxy", PROXY, "--exit-zero", "--html", str(html)]
    arguments += ["--csv", str(tables), "--evidence", str(evidence)]
    assert run("analyze", *arguments).returncode == 0
    names = ["direct.pcapng", "socks.pcapng", "socks.pcapng-2"]
    assert {path.name for path in html.iterdir()} == {f"{name}.html" for name in names}
    assert sorted(path.name for path in tables.iterdir()) == names
    assert untimed(html / "socks.pcapng.html") == untimed(html / "socks.pcapng-2.html")
    assert "203.0.113.7" in (tables / "socks.pcapng" / "stun.csv").read_text()
    assert (evidence / "socks.pcapng.evidence.pcapng").stat().st_size > 0


def test_hostile_file_name_does_nothing(tmp_path: Path) -> None:
    """A file name full of escapes and markup reaches the terminal as text."""
    path = tmp_path / "\x1b[31m[red]\u202e.pcapng"
    shutil.copy(SOCKS, path)
    result = run("analyze", path, "--exit-zero", COLUMNS="300")
    assert "\x1b" not in result.stdout
    assert "\u202e" not in result.stdout
    assert "\\x1b[31m[red]\\u202e.pcapng" in result.stdout
    missing = run("analyze", tmp_path / "\x1b[31m", COLUMNS="300")
    assert "\x1b" not in missing.stderr
    assert missing.returncode == 2


def test_closed_pipe_is_no_error() -> None:
    """`pcapleak ... | head -1` ends without a complaint."""
    command = f"{sys.executable} -m pcapleak schema | head -1"
    result = subprocess.run(
        command, shell=True, capture_output=True, cwd=ROOT, text=True, check=False
    )
    assert (result.stdout, result.stderr) == ("{\n", "")


def test_colour_only_where_wanted() -> None:
    """A pipe gets plain text; a terminal that asks for no colour gets none."""
    assert "\x1b" not in run("analyze", SOCKS).stdout
    assert "\x1b" in run("analyze", SOCKS, FORCE_COLOR="1", TERM="xterm").stdout
    plain = run("analyze", SOCKS, FORCE_COLOR="1", NO_COLOR="1", TERM="xterm").stdout
    assert "\x1b[3" not in plain
    assert "\x1b[4" not in plain


def test_schema_command_prints_the_schema() -> None:
    """`pcapleak schema` is what the tests validate with."""
    assert json.loads(run("schema").stdout) == schema()


def test_explain() -> None:
    """`explain` takes an id or a name in any case, lists all without one, and refuses others."""
    by_id, by_name = run("explain", "pl101"), run("explain", "webrtc-public-address-exposed")
    assert by_id.stdout == by_name.stdout
    for part in ("What it means", "Wireshark", "How to fix it", "RFC 8489 section 14.2"):
        assert part in by_id.stdout
    assert "PL901" in run("explain").stdout
    assert run("explain", "PL999").returncode == 2


def test_candidate() -> None:
    """`candidate` explains every field of a line, from the arguments or from SDP on stdin."""
    line = "candidate:716199313 1 udp 1677729535 203.0.113.7 40150 typ srflx raddr 0.0.0.0 rport 0"
    result = run("candidate", line)
    assert result.returncode == 0
    for part in ("foundation", "716199313", "203.0.113.7", "STUN"):
        assert part in result.stdout
    piped = run("candidate", "-", stdin=f"v=0\r\na={line}\r\n".encode())
    assert "716199313" in piped.stdout
    assert run("candidate", "nonsense").returncode == 2


def test_hostile_candidate_line_does_nothing() -> None:
    """Escapes in a pasted line are shown, not obeyed."""
    line = "candidate:1 1 udp 1 \x1b[31mx.local 9 typ host"
    assert "\x1b" not in "".join([run("candidate", line).stdout, run("candidate", line).stderr])


def test_decode() -> None:
    """`decode` prints a line a message of a capture, all of it as JSON, or one pasted message."""
    lines = run("decode", SOCKS, "--filter", "stun").stdout.splitlines()
    assert len(lines) == 2
    assert "XOR-MAPPED-ADDRESS 203.0.113.7" in lines[1]
    messages = run("decode", SOCKS, "--filter", "stun", "--json").stdout.splitlines()
    assert [json.loads(message)["frame"] for message in messages] == [
        int(line.split()[0]) for line in lines
    ]
    none = run("decode", SOCKS, "--filter", "sip,wireguard")
    assert (none.returncode, none.stdout) == (0, "")
    assert none.stderr == f"{SOCKS} contains no message of sip, wireguard\n"
    pasted = run("decode", "--hex", "0001 0000 2112a442 000102030405060708090a0b")
    assert pasted.stdout == "stun  Binding Request\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--hex", "0001"],
        ["--hex", "zz"],
        ["nothing.pcap"],
        [],
        [str(SOCKS), "--hex", "00"],
        [str(SOCKS), "--filter", "nonsense"],
        [str(SOCKS), "--username", "u"],
    ],
)
def test_decode_refuses_what_it_cannot_read(arguments: list[str]) -> None:
    """A message, file or protocol that is none is one line and status 2."""
    result = run("decode", *arguments)
    assert (result.returncode, len(result.stderr.splitlines())) == (2, 1)


def test_progress_only_on_a_terminal(tmp_path: Path) -> None:
    """A long input shows progress on standard error where that is a terminal, and only there."""
    big = tmp_path / "big.pcap"
    packet = bytes(60)
    record = struct.pack("<IIII", 1, 0, len(packet), len(packet)) + packet
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    big.write_bytes(header + record * (MIN_BYTES // len(record) + 1))
    assert run("analyze", big, "-q").stderr == ""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pcapleak", "analyze", str(big)],
        stdout=subprocess.PIPE,
        stderr=follower,
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(follower)
    shown = b""
    with contextlib.suppress(OSError):  # the terminal hangs up when the command ends
        while data := os.read(leader, 65536):
            shown += data
    os.close(leader)
    assert process.stdout is not None
    output = process.stdout.read()
    process.stdout.close()
    assert process.wait() == 0
    assert b"Reading" in shown
    assert b"MB" in shown
    assert b"NO POLICY" in output
    assert b"Reading" not in output


def test_nothing_readable_is_an_empty_array(tmp_path: Path) -> None:
    """A program that reads `--json -` for several files gets an array in any case."""
    missing = [tmp_path / "a.pcap", tmp_path / "b.pcap"]
    result = run("analyze", *missing, "--json", "-")
    assert (result.stdout, result.returncode) == ("[]\n", 2)
    merged = run("analyze", "--merge", *missing, "--json", "-")
    assert (merged.stdout, merged.returncode) == ("", 2)
    assert len(merged.stderr.splitlines()) == 2
    assert run("analyze", "-", "--json", "-").returncode == 2


def test_inconclusive_exits_3_and_a_leak_beside_it_1() -> None:
    """A capture that cannot tell is 3, unless another one of the same command leaks."""
    blind = ["--tunnel", "tun9", "--allow", "0.0.0.0/0"]
    result = run("analyze", SOCKS, *blind)
    assert (result.stdout.split()[0], result.returncode) == ("INCONCLUSIVE", 3)
    assert run("analyze", SOCKS, *blind, "--exit-zero", "-q").returncode == 0
    assert run("analyze", SOCKS, DIRECT, "--proxy", PROXY, "-q").returncode == 1


def test_no_leak_exits_0_and_says_what_was_tested() -> None:
    """A tunnel that holds is a verdict of its own, with what it was tested with."""
    result = run("analyze", ROOT / "captures" / "full-tunnel.pcapng", "--tunnel", "wg0")
    assert (result.stdout.split()[:2], result.returncode) == (["NO", "LEAK"], 0)
    assert "STUN" in result.stdout.splitlines()[2]


def test_page_is_held_against_the_packets(tmp_path: Path) -> None:
    """`--page` tells, row by row, what page and packets agree on."""
    page = tmp_path / "page.sdp"
    page.write_text(json.loads(SOCKS.with_suffix(".json").read_text())["page"]["sdp"])
    result = run("analyze", SOCKS, "--proxy", PROXY, "--page", page, "--json", "-")
    rows = json.loads(result.stdout)["page_rows"]
    assert [row["seen_by"] for row in rows if row["type"] == "srflx"] == ["both"]
    text = run("analyze", SOCKS, "--proxy", PROXY, "--page", page, COLUMNS="200").stdout
    assert "What pages told against what packets show" in text
    page.write_text("nothing of the kind")
    empty = run("analyze", SOCKS, "--page", page)
    assert (empty.returncode, "holds no ICE candidate" in empty.stderr) == (2, True)
