"""The options that say what should have held: the policy."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

if TYPE_CHECKING:
    from pcapleak.policy.policy import Policy

PANEL = "Policy (inferred from the capture where not given)"

_rule = partial(typer.Option, rich_help_panel=PANEL)
_coherence = partial(
    typer.Option, rich_help_panel="Coherence (does the address fit the rest of the story?)"
)


class PolicyOptions(NamedTuple):
    """Each field is an option."""

    policy_file: Annotated[
        Path | None,
        _rule("--policy", metavar="FILE", help="A TOML policy file."),
    ] = None
    proxy: Annotated[
        list[str] | None,
        _rule(
            "--proxy",
            metavar="URL",
            help="A proxy that should carry everything, as socks5://HOST:PORT or http://HOST:PORT.",
        ),
    ] = None
    tunnel: Annotated[
        list[str] | None,
        _rule("--tunnel", metavar="IFACE", help="A tunnel's interface, wg0 say."),
    ] = None
    vpn_endpoint: Annotated[
        list[str] | None,
        _rule(
            "--vpn-endpoint",
            metavar="HOST:PORT",
            help="A VPN server, the one public address a tunnel may reach.",
        ),
    ] = None
    exit_ip: Annotated[
        list[str] | None,
        _rule(
            "--exit-ip",
            metavar="ADDRESS",
            help="The address the tunnel or proxy shows to the world: seeing it is no leak.",
        ),
    ] = None
    client: Annotated[
        list[str] | None,
        _rule("--client", metavar="ADDRESS", help="An address of the client."),
    ] = None
    lan: Annotated[
        list[str] | None,
        _rule("--lan", metavar="CIDR", help="A local network to talk to freely."),
    ] = None
    resolver: Annotated[
        list[str] | None,
        _rule("--resolver", metavar="ADDRESS", help="A DNS resolver that may be asked outside."),
    ] = None
    allow: Annotated[
        list[str] | None,
        _rule(
            "--allow",
            metavar="RULE",
            help="Traffic meant to go outside, as HOST, CIDR, HOST:PORT, HOST:PORT/udp or *:PORT.",
        ),
    ] = None
    strict: Annotated[
        bool,
        _rule("--strict", help="With a proxy, TCP beside it is a leak."),
    ] = False
    require: Annotated[
        list[str] | None,
        _rule(
            "--require",
            metavar="KIND",
            help="No verdict of `no leak` unless this traffic was seen:"
            " stun, dns, ipv6, quic, tcp or mdns.",
        ),
    ] = None
    no_infer: Annotated[
        bool,
        _rule("--no-infer", help="Judge by what is given and nothing else."),
    ] = False
    timezone: Annotated[
        str | None,
        _coherence(
            "--timezone",
            metavar="ZONE",
            help="The client's time zone as pages read it, Europe/Berlin say.",
        ),
    ] = None
    language: Annotated[
        list[str] | None,
        _coherence(
            "--language",
            metavar="TAG",
            help="A language the browser asks for, de-DE say, most wanted first.",
        ),
    ] = None
    geo_db: Annotated[
        list[str] | None,
        _coherence(
            "--geo-db",
            metavar="FILE",
            help="A MaxMind-format database, asked before the system's and the embedded tables.",
        ),
    ] = None
    geo_map: Annotated[
        list[str] | None,
        _coherence(
            "--geo-map",
            metavar="FILE",
            help="A TOML file that gives ranges a place, for laboratories and teaching.",
        ),
    ] = None

    def read(self) -> Policy:
        """The file's policy with the options' added to it.

        Raises `PolicyError` naming the key or option and how to mend it.
        """
        from pcapleak.policy.policy import Policy

        options = Policy.from_options(
            proxy=self.proxy or (),
            tunnel=self.tunnel or (),
            vpn_endpoint=self.vpn_endpoint or (),
            exit_ip=self.exit_ip or (),
            client=self.client or (),
            lan=self.lan or (),
            resolver=self.resolver or (),
            allow=self.allow or (),
            strict=self.strict,
            require=self.require or (),
            infer=not self.no_infer,
            timezone=self.timezone,
            language=self.language or (),
            geo_db=self.geo_db or (),
            geo_map=self.geo_map or (),
        )
        if self.policy_file is None:
            return _with_places(options)
        return _with_places(Policy.from_toml(self.policy_file).merged(options))


def _with_places(policy: Policy) -> Policy:
    """The policy with the system's databases after its own, and all of them tried."""
    from dataclasses import replace

    from pcapleak.judge.coherence.databases import system_databases

    system = [path for path in system_databases() if path not in policy.geo_databases]
    whole = replace(policy, geo_databases=(*policy.geo_databases, *system))
    if whole.geo_databases or whole.geo_maps:
        from pcapleak.judge.coherence.places import atlas

        # Opened now, where a mistake is told at once, and before a watch gives up its rights.
        atlas(whole.geo_databases, whole.geo_maps)
    if whole.timezone is not None or whole.languages:
        from pcapleak.judge.coherence.stated import check_stated

        check_stated(whole)
    return whole
