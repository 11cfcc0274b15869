"""`--vpn-endpoint NAME`: judged as its address is, or one line that says what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_runs import run
from places import CAPTURES

from pcapleak.cli.completion import TOML

NAMED = CAPTURES / "named-servers.pcapng"
"""Its client asks for stun.example, which is 198.51.100.10."""


def test_a_name_is_judged_as_the_address_that_the_capture_has_for_it() -> None:
    told = {}
    for server in ("Stun.Example", "198.51.100.10"):
        result = run("analyze", NAMED, "--vpn-endpoint", f"{server}:3478/udp", "--json", "-")
        assert result.returncode in (0, 1, 3)
        told[server] = json.loads(result.stdout)
    by_name, by_address = told.values()
    field = by_name["policy"]["fields"]["vpn_endpoints"]
    assert field["value"] == ["198.51.100.10:3478/udp"]
    assert field["reasons"] == [
        "stun.example is 198.51.100.10 according to DNS answers in the capture"
    ]
    for part in ("verdict", "findings", "flows", "coverage"):
        assert by_name[part] == by_address[part], part


def test_the_page_says_from_which_the_address_is() -> None:
    text = run("analyze", NAMED, "--vpn-endpoint", "stun.example", COLUMNS="300").stdout
    assert "(given; stun.example is 198.51.100.10 according to DNS answers in the capture)" in text


def test_a_name_that_nothing_resolves_is_one_line_and_the_other_captures_are_judged() -> None:
    result = run(
        "analyze", NAMED, CAPTURES / "socks.pcapng", "--vpn-endpoint", "stun.example", "-q"
    )
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert "socks.pcapng: nothing says which address the VPN server stun.example has" in line


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["live"], "is not in /etc/hosts"),
        (["guard", "--", "true"], "is not in /etc/hosts"),
        (["analyze", NAMED, "--redact"], "give the address of vpn.invalid, not its name"),
    ],
)
def test_where_a_name_cannot_serve_the_address_is_asked_for(
    command: list[str | Path], said: str
) -> None:
    first, *rest = command
    result = run(first, "--vpn-endpoint", "vpn.invalid:51820", *rest)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert said in line


def test_batch_says_which_captures_do_not_know_the_name(tmp_path: Path) -> None:
    for name in ("named-servers.pcapng", "socks.pcapng"):
        (tmp_path / name).write_bytes((CAPTURES / name).read_bytes())
    result = run("batch", tmp_path, "--vpn-endpoint", "stun.example:3478", COLUMNS="300")
    assert "1 leak, 1 error" in result.stdout
    assert "nothing says which address the VPN server stun.example has" in result.stdout


def test_policy_files_and_folders_are_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("policy.toml", "port.pcapng", ".hidden.toml"):
        (tmp_path / name).touch()
    (tmp_path / "policies").mkdir()
    monkeypatch.chdir(tmp_path)
    assert TOML("po") == ["policies/", "policy.toml"]
    assert TOML(f"{tmp_path}/.h") == [f"{tmp_path}/.hidden.toml"]
    assert TOML("") == ["policies/", "policy.toml"]
    assert TOML("missing/x") == []
