"""What is installed is pinned, and a release says what it is made of."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from places import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


def pins(name: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for match in _PIN.finditer((ROOT / name).read_text()):
        found.setdefault(canonicalize_name(match[1]), set()).add(match[2])
    return found


def wanted(group: str) -> list[str]:
    found: list[str] = []
    for entry in PROJECT["dependency-groups"][group]:
        found += [entry] if isinstance(entry, str) else wanted(entry["include-group"])
    return found


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_the_lock_follows_the_project(name: str) -> None:
    """Every dependency is pinned to a version it allows (`make lock` writes it anew)."""
    locked = pins(name)
    asked = list(PROJECT["project"]["dependencies"])
    if "dev" in name:
        asked += wanted("dev")
    allowed: dict[str, list[Requirement]] = {}
    for requirement in map(Requirement, asked):
        allowed.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    for package, requirements in allowed.items():
        versions = locked.get(package)
        assert versions, f"{package} is not in {name}; run `make lock`"
        # Several lines for one package are for several versions of Python.
        for version in versions:
            assert any(one.specifier.contains(version, True) for one in requirements), package
        for one in requirements:
            assert any(one.specifier.contains(version, True) for version in versions), one


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_every_pin_has_hashes_and_no_host(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert "--index" not in text
    entries = re.split(r"\n(?=\S)", text.strip())
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries)


def test_both_locks_agree() -> None:
    runtime, everything = pins("requirements.lock"), pins("requirements-dev.lock")
    assert all(everything[name] == versions for name, versions in runtime.items())


def test_every_locked_package_has_its_licence_on_the_page() -> None:
    page = (ROOT / "docs" / "licences.md").read_text()
    rows = {canonicalize_name(n): line for n, line in _rows(page)}
    assert rows.keys() == pins("requirements.lock").keys()
    assert not [name for name, line in rows.items() if "not stated" in line]


def _rows(page: str) -> list[tuple[str, str]]:
    return [
        (match[1], line)
        for line in page.splitlines()
        if (match := re.match(r"\| \[?([A-Za-z0-9._-]+)\]?[ (]", line))
        and match[1] not in ("Package", "---")
    ]


def test_the_bill_of_materials_lists_every_locked_package() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "supply.py"), "sbom"]
    made = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.6")
    listed = {(canonicalize_name(c["name"]), c["version"]) for c in made["components"]}
    assert listed == {(n, v) for n, versions in pins("requirements.lock").items() for v in versions}
    assert all(component["purl"].startswith("pkg:pypi/") for component in made["components"])
