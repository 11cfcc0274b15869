"""The options that say what should have held: the policy."""

from __future__ import annotations

from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any

import typer

from pcapleak.cli.completion import BY_OPTION, TOML
from pcapleak.errors import PolicyError
from pcapleak.policy.fields import POLICY, Field, keyword, options
from pcapleak.policy.policy import Policy
from pcapleak.policy.servers import HOSTS, resolved, server_names, with_hosts


class PolicyOptions:
    """An option for a policy file, and one for each row of the table of fields."""

    def __init__(self, **given: Any) -> None:
        self.file: Path | None = given.pop("policy_file")
        self._options = Policy.from_options(
            **{keyword(row): _value(row, given[_name(row)]) for row in options(Policy)}
        )

    @classmethod
    def parameters(cls) -> list[Parameter]:
        """Each option, as Typer reads it."""
        file = typer.Option(
            "--policy",
            metavar="FILE",
            help="A TOML policy file.",
            rich_help_panel=POLICY,
            autocompletion=TOML,
        )
        return [
            _parameter("policy_file", Path | None, file, None),
            *map(_option, options(Policy)),
        ]

    def read(self) -> Policy:
        """The file's policy with the options' added to it.

        Raises `PolicyError` naming the key or option and how to mend it.
        """
        policy = self._options
        if self.file is not None:
            policy = Policy.from_toml(self.file).merged(policy)
        # Before the command is confined to its files.
        return _with_places(with_hosts(policy))

    def read_for_watch(self) -> Policy:
        """The same for a watch, whose VPN servers must have addresses from the start.

        Raises `PolicyError` also for a name that the hosts file has not.
        """
        policy = resolved(self.read(), lambda _: ())
        if unknown := server_names(policy):
            raise PolicyError(
                f"--vpn-endpoint: {unknown[0]} is not in {HOSTS}; pcapleak does no DNS look-ups, "
                "and a watch must know the server from the start: give its address"
            )
        return policy


def _name(row: Field) -> str:
    assert row.option is not None
    return row.option.removeprefix("--").replace("-", "_")


def _value(row: Field, given: Any) -> Any:
    """An option's value; a switch turns its default over."""
    return given != row.default if row.parse is None else given


def _option(row: Field) -> Parameter:
    if row.parse is None:
        kind: object = bool
        option = typer.Option(row.option, help=row.help, rich_help_panel=row.panel)
    else:
        kind = list[str] | None if row.many else str | None
        option = typer.Option(
            row.option,
            metavar=row.metavar,
            help=row.help,
            rich_help_panel=row.panel,
            autocompletion=BY_OPTION.get(str(row.option)),
        )
    return _parameter(_name(row), kind, option, False if kind is bool else None)


def _parameter(name: str, kind: object, option: object, default: object) -> Parameter:
    return Parameter(
        name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
    )


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
