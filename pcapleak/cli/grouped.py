"""Options that belong together, or that several commands share, as one parameter."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature, signature
from typing import Any, NamedTuple, get_type_hints


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """`command` for Typer, which makes an option of each parameter of the function it is shown.

    A parameter annotated with a NamedTuple is shown as its fields, and given as one value.
    """
    groups: dict[str, Any] = {}
    shown: list[Parameter] = []
    for name, parameter in signature(command, eval_str=True).parameters.items():
        if hasattr(parameter.annotation, "_fields"):
            groups[name] = parameter.annotation
            shown += _fields(parameter.annotation)
        else:
            shown.append(parameter)

    def whole(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{field: given.pop(field) for field in group._fields})
        command(**given)

    whole.__name__, whole.__doc__ = command.__name__, command.__doc__
    whole.__signature__ = Signature(shown)  # type: ignore[attr-defined]  # read by Typer
    return whole


def _fields(group: type[NamedTuple]) -> list[Parameter]:
    defaults = group._field_defaults
    return [
        Parameter(name, Parameter.KEYWORD_ONLY, default=defaults[name], annotation=hint)
        for name, hint in get_type_hints(group, include_extras=True).items()
    ]
