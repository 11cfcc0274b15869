"""`pcapleak analyze --redact`: the report of captures and a policy in which all is renamed.

Nothing of the originals can get into such a report, because it is made from redacted captures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING

from pcapleak.errors import PcapleakError

if TYPE_CHECKING:
    from pcapleak.policy.policy import Network, Policy, Rule
    from pcapleak.redact import Renamer
    from pcapleak.report.document import Document
    from pcapleak.values.packets import Endpoint

PLACES = ("PL401", "PL402", "PL403", "PL404", "PL405", "PL406")
"""Findings about where addresses are, which renamed ones are not."""


@contextmanager
def redacted(
    paths: Sequence[str], policy: Policy, key_file: Path | None
) -> Iterator[tuple[list[str], Policy]]:
    """Redacted copies of the captures, by names that tell nothing, and the policy renamed alike.

    Inside, the working folder is that of the copies.
    """
    import secrets
    from tempfile import TemporaryDirectory

    from pcapleak.redact import Renamer, read_key, redact_capture

    key = secrets.token_bytes(32) if key_file is None else read_key(key_file)
    with TemporaryDirectory(prefix="pcapleak-") as folder:
        names = [f"capture-{number}.pcapng" for number in range(1, len(paths) + 1)]
        for path, name in zip(paths, names, strict=True):
            redact_capture(path, Path(folder) / name, key)
        with chdir(folder):
            yield names, renamed_policy(Renamer(key), policy)


def renamed_policy(renamer: Renamer, policy: Policy) -> Policy:
    """The policy with every address and interface renamed; places and languages are left out."""

    def networks(given: tuple[Network, ...]) -> tuple[Network, ...]:
        return tuple(_network(renamer, network) for network in given)

    def endpoint(given: Endpoint) -> Endpoint:
        return given._replace(address=renamer.address(given.address))

    return replace(
        policy,
        tunnels=tuple(
            replace(
                tunnel,
                interface=tunnel.interface and renamer.interface(tunnel.interface),
                endpoints=tuple(_rule(renamer, rule) for rule in tunnel.endpoints),
                addresses=networks(tunnel.addresses),
                resolvers=tuple(map(renamer.address, tunnel.resolvers)),
                exits=networks(tunnel.exits),
                routes=networks(tunnel.routes),
            )
            for tunnel in policy.tunnels
        ),
        proxies=tuple(
            replace(proxy, endpoint=endpoint(proxy.endpoint), exits=networks(proxy.exits))
            for proxy in policy.proxies
        ),
        exits=networks(policy.exits),
        clients=networks(policy.clients),
        lans=networks(policy.lans),
        resolvers=tuple(map(renamer.address, policy.resolvers)),
        allow=tuple(_rule(renamer, rule) for rule in policy.allow),
        timezone=None,
        languages=(),
        geo_databases=(),
        geo_maps=(),
    )


def _network(renamer: Renamer, network: Network) -> Network:
    if network.prefixlen == network.max_prefixlen:
        return ip_network(renamer.address(network.network_address))
    return renamer.network(network)


def _rule(renamer: Renamer, rule: Rule) -> Rule:
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


def check(pages: Sequence[str], keylog: Path | None) -> None:
    """Refuse what holds originals and cannot be renamed."""
    for given, option in ((pages, "--page"), (keylog, "--keylog")):
        if given:
            raise PcapleakError(f"{option} holds what cannot be renamed; leave it or --redact out")
