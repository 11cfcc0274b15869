"""What a policy's field is: its option, its key in a file, its parser, and how two are merged.

The rows stand in `pcapleak.policy.policy`, each as the default of the attribute it fills. The
command line, the file, its template, docs/policy.md and the report follow them, so a field is
added by adding its row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

T = TypeVar("T")
Parser = Callable[[str, str], T]
"""From text, and the option or key it was given by, to a value. Raises `PolicyError`."""

POLICY = "Policy (inferred from the capture where not given)"
COHERENCE = "Coherence (do address, time zone, language and resolver agree?)"


@dataclass(frozen=True, slots=True)
class Field:
    """One row: how an attribute is given."""

    help: str
    example: str
    """Its value in the file's template, as TOML."""
    option: str | None = None
    """On the command line (`--client`); None: in a file alone."""
    metavar: str = ""
    key: str = ""
    """In a file; where it is empty, the attribute's name."""
    parse: Parser[Any] | None = None
    """None: a switch, or tables."""
    many: bool = False
    """A list in a file, repeatable on the command line."""
    default: Any = ()
    commas: bool = False
    """Whether one option may give several, with commas between."""
    replaces: bool = False
    """Whether what is given later takes the place of what was given before."""
    paths: bool = False
    """Whether a file's values are paths from the file's folder."""
    later: bool = False
    """Whether it came after the first version, whose policies' digests hold all others."""
    word_of: str = ""
    """The attribute among whose texts the word `example` sets this one."""
    table: type | None = None
    """What each [[table]] in a file becomes."""
    merge: Callable[[Any, Any], Any] | None = None
    panel: str = POLICY

    def merged(self, mine: Any, other: Any) -> Any:
        """One value of two, `other` given later."""
        if self.merge is not None:
            return self.merge(mine, other)
        if self.many and not self.replaces:
            return unique((*mine, *other))
        return mine if other == self.default else other


def many(
    parse: Parser[T], key: str, metavar: str, help: str, example: str, **more: Any
) -> tuple[T, ...]:
    """A row of any number of values; `key` is its option, `--` left out."""
    row = Field(help, example, key and f"--{key}", metavar, parse=parse, many=True, **more)
    return field(default=(), metadata={"field": row})


def one(parse: Parser[T], key: str, metavar: str, help: str, example: str, **more: Any) -> T | None:
    """A row of one value or none; `key` is its option, `--` left out."""
    row = Field(help, example, key and f"--{key}", metavar, parse=parse, default=None, **more)
    return field(default=None, metadata={"field": row})


def switch(key: str, help: str, *, default: bool = False, later: bool = False) -> bool:
    """A row that is on or off; `key` is its option, `--` left out, which turns it over."""
    example = "true" if default else "false"
    row = Field(help, example, f"--{key}", default=default, later=later)
    return field(default=default, metadata={"field": row})


def word(word_of: str, text: str) -> bool:
    """A row that is on where `text` stands for all the values of the attribute `word_of`."""
    row = Field("", text, default=False, word_of=word_of, later=True)
    return field(default=False, metadata={"field": row})


def tables(
    of: type[T], key: str, help: str, merge: Callable[[Any, Any], Any] | None = None
) -> tuple[T, ...]:
    """A row of [[tables]] in a file; their own rows have the options."""
    row = Field(help, "", key=key, many=True, table=of, merge=merge)
    return field(default=(), metadata={"field": row})


def rows(owner: type) -> dict[str, Field]:
    """The rows of a class by attribute."""
    return {
        attribute.name: attribute.metadata["field"]
        for attribute in fields(owner)
        if "field" in attribute.metadata
    }


def options(owner: type) -> Iterator[Field]:
    """The rows that are options; those of tables in the table's place, each repeatable."""
    for row in rows(owner).values():
        if row.table is not None:
            yield from (replace(inner, many=True) for inner in options(row.table))
        elif row.option:
            yield row


def keyword(row: Field) -> str:
    """What an option is called in Python: `--exit-ip` is `exit_ip`, `--no-infer` is `infer`."""
    assert row.option is not None
    name = row.option.removeprefix("--")
    return (name.removeprefix("no-") if row.default is True else name).replace("-", "_")


def read_texts(owner: type, attribute: str, texts: Iterable[str], where: str) -> dict[str, Any]:
    """What texts give: the value of an attribute, and those that words among them set.

    `where` is the option or key for errors. Raises `PolicyError`.
    """
    row = rows(owner)[attribute]
    assert row.parse is not None
    words = {other.example: n for n, other in rows(owner).items() if other.word_of == attribute}
    given = unique(texts)
    values = unique(row.parse(text, where) for text in given if text not in words)
    return {
        attribute: values if row.many else next(iter(values), None),
        **{words[text]: True for text in given if text in words},
    }


def unique(values: Iterable[T]) -> tuple[T, ...]:
    """Each once, in order."""
    return tuple(dict.fromkeys(values))


def listed(value: Sequence[str] | str | bool | None) -> list[str]:
    """What one keyword gives, as texts; a switch gives none."""
    if value is None or isinstance(value, bool):
        return []
    return [value] if isinstance(value, str) else list(value)
