"""`pcapleak analyze --redact`: the report of captures and a policy in which all is renamed.

Nothing of the originals can get into such a report, because it is made from redacted captures.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager, suppress
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec.structs import replace

from pcapleak.errors import PcapleakError, PolicyError
from pcapleak.policy.fields import COHERENCE, rows
from pcapleak.policy.parsers import parse_interface, parse_text
from pcapleak.policy.policy import Network, Policy, Proxy, Rule, Tunnel
from pcapleak.policy.servers import server_names
from pcapleak.values.endpoints import Endpoint

if TYPE_CHECKING:
    from pcapleak.cli.key_file import KeyFile
    from pcapleak.redact import Renamer
    from pcapleak.report.document import Document

Owner = TypeVar("Owner", Policy, Tunnel, Proxy)

PLACES = ("PL401", "PL402", "PL403", "PL404", "PL405", "PL406")
"""Findings about where addresses are, which renamed ones are not."""


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder for redacted copies. Who may not remove it in the end empties it."""
    from tempfile import mkdtemp

    folder = Path(mkdtemp(prefix="pcapleak-"))
    try:
        yield folder
    finally:
        for path in folder.iterdir():
            path.unlink()
        with suppress(OSError):
            folder.rmdir()


@contextmanager
def redacted(
    paths: Sequence[str], policy: Policy, key: KeyFile, folder: Path
) -> Iterator[tuple[list[str], Policy]]:
    """Redacted copies of the captures, by names that tell nothing, and the policy renamed alike.

    Inside, the working folder is that of the copies.
    """
    from pcapleak.redact import Renamer, redact_capture

    names = [f"capture-{number}.pcapng" for number in range(1, len(paths) + 1)]
    for path, name in zip(paths, names, strict=True):
        redact_capture(path, folder / name, key.key)
    key.commit()
    with chdir(folder):
        yield names, renamed_policy(Renamer(key.key), policy)


def renamed_policy(renamer: Renamer, policy: Policy) -> Policy:
    """The policy with every address and interface renamed; places and languages are left out."""
    return _renamed_rows(renamer, policy)


def _renamed_rows(renamer: Renamer, owner: Owner) -> Owner:
    changed: dict[str, Any] = {}
    for name, row in rows(type(owner)).items():
        value = getattr(owner, name)
        # Nothing says what a free text holds.
        if row.panel == COHERENCE or row.parse is parse_text:
            changed[name] = row.default
        elif row.parse is parse_interface:
            changed[name] = _each(renamer.interface, value)
        else:
            changed[name] = _each(partial(_renamed, renamer), value)
    return dataclasses.replace(owner, **changed)


def _each(rename: Callable[[Any], Any], value: Any) -> Any:
    """A row's value with `rename` done to each of many, or to the one."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(map(rename, value))
    return rename(value)


def _renamed(renamer: Renamer, value: Any) -> Any:
    match value:
        case Tunnel():
            return _renamed_rows(renamer, value)
        case Proxy():
            return _renamed_rows(renamer, value)
        case Endpoint():
            return value._replace(address=renamer.address(value.address))
        case Rule():
            return _rule(renamer, value)
        case IPv4Address() | IPv6Address():
            return renamer.address(value)
        case IPv4Network() | IPv6Network():
            return _network(renamer, value)
        case _:
            return value


def _network(renamer: Renamer, network: Network) -> Network:
    if network.prefixlen == network.max_prefixlen:
        return ip_network(renamer.address(network.network_address))
    return renamer.network(network)


def _rule(renamer: Renamer, rule: Rule) -> Rule:
    if rule.process is not None:
        name = renamer.program(rule.process)
        return rule._replace(process=name, text=f"process:{name}")
    if rule.network is None:
        return rule
    network = _network(renamer, rule.network)
    host = str(network)
    if network.prefixlen == network.max_prefixlen:
        host = str(network.network_address)
    text = f"[{host}]" if network.version == 6 and rule.port is not None else host
    text += "" if rule.port is None else f":{rule.port}"
    text += "" if rule.protocol is None else f"/{rule.protocol}"
    return rule._replace(network=network, text=text)


def without_places(document: Document) -> Document:
    """The report without what it says of places."""
    from pcapleak.report.document import Coherence

    findings = [finding for finding in document.findings if finding.id not in PLACES]
    return replace(document, findings=findings, coherence=Coherence())


def check(policy: Policy, pages: Sequence[str], keylog: Path | None) -> None:
    """Refuse what holds originals and cannot be renamed."""
    for given, option in ((pages, "--page"), (keylog, "--keylog")):
        if given:
            raise PcapleakError(f"{option} holds what cannot be renamed; leave it or --redact out")
    if names := server_names(policy):
        raise PolicyError(
            f"--vpn-endpoint: with --redact give the address of {names[0]}, not its name: the "
            "renamed DNS answers have another"
        )
