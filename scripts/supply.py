"""Says what a release is made of: `python scripts/supply.py licences` or `sbom`.

Both go by `requirements.lock`, and by what is installed for licences and sources. `licences`
writes docs/licences.md, `sbom` a CycloneDX 1.6 document to standard output.
"""

from __future__ import annotations

import json
import re
import sys
from email.message import Message
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
PAGE = ROOT / "docs" / "licences.md"

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)(?: ; ([^\\]+?))? \\$", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


class Package(NamedTuple):
    """A pin of the lock file."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]


def locked() -> list[Package]:
    """The packages of the lock file."""
    text = LOCK.read_text(encoding="utf-8")
    pins = list(_PIN.finditer(text))
    ends = [pin.start() for pin in pins[1:]] + [len(text)]
    return [
        Package(pin[1], pin[2], pin[3] or "", tuple(_HASH.findall(text, pin.end(), end)))
        for pin, end in zip(pins, ends, strict=True)
    ]


def licence(found: Message) -> str:
    """What a package's metadata says of its licence, as an SPDX expression where it can."""
    expression = found["License-Expression"]
    if expression:
        return str(expression)
    marks = [
        value.rpartition(" :: ")[2]
        for value in found.get_all("Classifier", [])
        if value.startswith("License ::")
    ]
    stated = (found["License"] or "").strip().splitlines()
    return ", ".join(marks) or (stated[0] if stated else "not stated")


def describe(package: Package) -> tuple[str, str]:
    """Licence and home of a package; empty where it is not installed here."""
    try:
        found = metadata(package.name)
    except PackageNotFoundError:
        return "", ""
    links = dict(link.split(", ", 1) for link in found.get_all("Project-URL", []))
    named = {label.lower(): link for label, link in links.items()}
    wanted = [named.get(label) for label in ("homepage", "home", "repository", "source", "code")]
    home = next((link for link in (found["Home-page"], *wanted, *links.values()) if link), "")
    return licence(found), str(home)


def licences() -> str:
    """The page of licences."""
    lines = [
        "# Licences",
        "",
        "pcapleak is under the MIT licence; what its embedded data are under, `NOTICE` says. These",
        "are the packages that an installation without extras brings, as `requirements.lock` pins",
        "them (`make licences` writes this page).",
        "",
        "| Package | Version | Licence | Only where |",
        "| --- | --- | --- | --- |",
    ]
    for package in locked():
        stated, home = describe(package)
        name = f"[{package.name}]({home})" if home else package.name
        lines.append(f"| {name} | {package.version} | {stated or '-'} | {package.marker} |")
    return "\n".join(lines) + "\n"


def sbom() -> str:
    """The software bill of materials."""
    components = []
    for package in locked():
        stated, home = describe(package)
        component: dict[str, object] = {
            "type": "library",
            "name": package.name,
            "version": package.version,
            "bom-ref": f"pkg:pypi/{package.name}@{package.version}",
            "purl": f"pkg:pypi/{package.name}@{package.version}",
            "properties": [
                {"name": "accepted:sha256", "value": digest} for digest in package.hashes
            ],
        }
        if stated:
            component["licenses"] = [{"license": {"name": stated}}]
        if home:
            component["externalReferences"] = [{"type": "website", "url": home}]
        components.append(component)
    own = version("pcapleak")
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "name": "pcapleak",
                "version": own,
                "bom-ref": f"pkg:pypi/pcapleak@{own}",
                "purl": f"pkg:pypi/pcapleak@{own}",
                "licenses": [{"license": {"id": "MIT"}}],
            }
        },
        "components": components,
        "dependencies": [
            {
                "ref": f"pkg:pypi/pcapleak@{own}",
                "dependsOn": [f"pkg:pypi/{p.name}@{p.version}" for p in locked()],
            }
        ],
    }
    return json.dumps(document, indent=2) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["licences"]:
        PAGE.write_text(licences(), encoding="utf-8")
    elif sys.argv[1:] == ["sbom"]:
        sys.stdout.write(sbom())
    else:
        sys.exit(__doc__)
