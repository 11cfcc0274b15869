"""`pcapleak policy`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

policy = typer.Typer(add_completion=False, no_args_is_help=True, help="Write a policy file.")


@policy.callback()
def _policy() -> None:
    """Write a policy file."""


@policy.command()
def init(
    path: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Where to write it (default: stdout).")
    ] = None,
) -> None:
    """Write a commented policy file to edit; an existing file is left alone."""
    from pcapleak.errors import PolicyError
    from pcapleak.policy.file import policy_template
    from pcapleak.policy.policy import Policy

    text = policy_template(Policy)
    if path is None or str(path) == "-":
        typer.echo(text, nl=False)
        return
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise PolicyError(f"{path} already exists; give another name or remove it") from error
    except OSError as error:
        raise PolicyError(
            f"{path} cannot be written ({error.strerror}); give another path"
        ) from error
    typer.echo(f"Wrote {path}. Edit it, then: pcapleak analyze --policy {path} FILE")
