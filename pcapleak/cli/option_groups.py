"""Options that belong together, or that several commands share, as one parameter."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """`command` for Typer, which makes an option of each parameter of the function it is shown.

    A parameter annotated with a NamedTuple is shown as its fields, and one annotated with a class
    that has `parameters` as these; each is given as one value.
    """
    groups: dict[str, tuple[Any, list[Parameter]]] = {}
    shown: list[Parameter] = []
    for name, parameter in signature(command, eval_str=True).parameters.items():
        kind = parameter.annotation
        if hasattr(kind, "parameters") or hasattr(kind, "_fields"):
            inner = kind.parameters() if hasattr(kind, "parameters") else _fields(kind)
            groups[name] = (kind, inner)
            shown += inner
        else:
            shown.append(parameter)

    def whole(**given: Any) -> None:
        for name, (kind, inner) in groups.items():
            given[name] = kind(**{part.name: given.pop(part.name) for part in inner})
        command(**given)

    whole.__name__, whole.__doc__ = command.__name__, command.__doc__
    whole.__signature__ = Signature(shown)  # type: ignore[attr-defined]  # read by Typer
    return whole


def _fields(group: Any) -> list[Parameter]:
    defaults = group._field_defaults
    return [
        Parameter(name, Parameter.KEYWORD_ONLY, default=defaults[name], annotation=hint)
        for name, hint in get_type_hints(group, include_extras=True).items()
    ]
