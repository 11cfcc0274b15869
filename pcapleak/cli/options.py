"""The options that say what should have held: the policy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pcapleak.policy import Policy

PANEL = "Policy (inferred from the capture where not given)"

PolicyFile = Annotated[
    Path | None,
    typer.Option("--policy", metavar="FILE", help="A TOML policy file.", rich_help_panel=PANEL),
]
Proxies = Annotated[
    list[str] | None,
    typer.Option(
        "--proxy",
        metavar="URL",
        help="A proxy that should carry everything, as socks5://HOST:PORT or http://HOST:PORT.",
        rich_help_panel=PANEL,
    ),
]
Tunnels = Annotated[
    list[str] | None,
    typer.Option(
        "--tunnel", metavar="IFACE", help="A tunnel's interface, wg0 say.", rich_help_panel=PANEL
    ),
]
VpnEndpoints = Annotated[
    list[str] | None,
    typer.Option(
        "--vpn-endpoint",
        metavar="HOST:PORT",
        help="A VPN server, the one public address a tunnel may reach.",
        rich_help_panel=PANEL,
    ),
]
Exits = Annotated[
    list[str] | None,
    typer.Option(
        "--exit-ip",
        metavar="ADDRESS",
        help="The address the tunnel or proxy shows to the world: seeing it is no leak.",
        rich_help_panel=PANEL,
    ),
]
Clients = Annotated[
    list[str] | None,
    typer.Option(
        "--client", metavar="ADDRESS", help="An address of the client.", rich_help_panel=PANEL
    ),
]
Lans = Annotated[
    list[str] | None,
    typer.Option(
        "--lan", metavar="CIDR", help="A local network to talk to freely.", rich_help_panel=PANEL
    ),
]
Resolvers = Annotated[
    list[str] | None,
    typer.Option(
        "--resolver",
        metavar="ADDRESS",
        help="A DNS resolver that may be asked outside.",
        rich_help_panel=PANEL,
    ),
]
Allows = Annotated[
    list[str] | None,
    typer.Option(
        "--allow",
        metavar="RULE",
        help="Traffic meant to go outside, as HOST, CIDR, HOST:PORT, HOST:PORT/udp or *:PORT.",
        rich_help_panel=PANEL,
    ),
]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="With a proxy, TCP beside it is a leak.", rich_help_panel=PANEL),
]
Requires = Annotated[
    list[str] | None,
    typer.Option(
        "--require",
        metavar="KIND",
        help="No verdict of `no leak` unless this traffic was seen:"
        " stun, dns, ipv6, quic, tcp or mdns.",
        rich_help_panel=PANEL,
    ),
]
NoInfer = Annotated[
    bool,
    typer.Option(
        "--no-infer", help="Judge by what is given and nothing else.", rich_help_panel=PANEL
    ),
]

COHERENCE = "Coherence (does the address fit the rest of the story?)"

Timezone = Annotated[
    str | None,
    typer.Option(
        "--timezone",
        metavar="ZONE",
        help="The client's time zone as pages read it, Europe/Berlin say.",
        rich_help_panel=COHERENCE,
    ),
]
Languages = Annotated[
    list[str] | None,
    typer.Option(
        "--language",
        metavar="TAG",
        help="A language the browser asks for, de-DE say, most wanted first.",
        rich_help_panel=COHERENCE,
    ),
]
GeoDatabases = Annotated[
    list[str] | None,
    typer.Option(
        "--geo-db",
        metavar="FILE",
        help="A MaxMind-format database, asked before the system's and the embedded tables.",
        rich_help_panel=COHERENCE,
    ),
]
GeoMaps = Annotated[
    list[str] | None,
    typer.Option(
        "--geo-map",
        metavar="FILE",
        help="A TOML file that gives ranges a place, for laboratories and teaching.",
        rich_help_panel=COHERENCE,
    ),
]


def read_policy(
    policy: Path | None,
    proxy: list[str] | None,
    tunnel: list[str] | None,
    vpn_endpoint: list[str] | None,
    exit_ip: list[str] | None,
    client: list[str] | None,
    lan: list[str] | None,
    resolver: list[str] | None,
    allow: list[str] | None,
    strict: bool,
    require: list[str] | None,
    no_infer: bool,
    timezone: str | None = None,
    language: list[str] | None = None,
    geo_db: list[str] | None = None,
    geo_map: list[str] | None = None,
) -> Policy:
    """The file's policy with the options' added to it.

    Raises `PolicyError` naming the key or option and how to mend it.
    """
    from pcapleak.policy import Policy

    options = Policy.from_options(
        proxy=proxy or (),
        tunnel=tunnel or (),
        vpn_endpoint=vpn_endpoint or (),
        exit_ip=exit_ip or (),
        client=client or (),
        lan=lan or (),
        resolver=resolver or (),
        allow=allow or (),
        strict=strict,
        require=require or (),
        infer=not no_infer,
        timezone=timezone,
        language=language or (),
        geo_db=geo_db or (),
        geo_map=geo_map or (),
    )
    whole = options if policy is None else Policy.from_toml(policy).merged(options)
    return _with_places(whole)


def _with_places(policy: Policy) -> Policy:
    """The policy with the system's databases after its own, and all of them tried."""
    from dataclasses import replace

    from pcapleak.coherence.databases import system_databases

    system = [path for path in system_databases() if path not in policy.geo_databases]
    whole = replace(policy, geo_databases=(*policy.geo_databases, *system))
    if whole.geo_databases or whole.geo_maps:
        from pcapleak.coherence.places import atlas

        # Opened now, where a mistake is told at once, and before a watch gives up its rights.
        atlas(whole.geo_databases, whole.geo_maps)
    if whole.timezone is not None or whole.languages:
        from pcapleak.coherence.stated import check_stated

        check_stated(whole)
    return whole
