"""Programs whose traffic a packet is, as recorders name them."""

from __future__ import annotations

from typing import NamedTuple

MAX_TEXT = 256
"""Characters kept of a name: the longest path component has 255 bytes."""

_CUT_LENGTHS = (15, 16, 19)
"""Where kernels (Linux, Apple) and PCAPdroid's trailer cut a program's name."""


def plain(text: str) -> str:
    """A name as a stranger may have written it: one line, bounded, nothing unprintable."""
    kept = text.strip()[:MAX_TEXT]
    return "".join(character if character.isprintable() else "\ufffd" for character in kept)


class Program(NamedTuple):
    """A program, as far as it is known; texts are `plain`."""

    name: str = ""
    pid: int | None = None
    user: str = ""
    """A name or a number."""
    path: str = ""
    container: str = ""
    """A container's name, or a pod's behind its namespace."""
    parent: str = ""
    """What started it."""
    behalf: str = ""
    """Whose traffic it carries: a resolver's client."""
    title: str = ""
    """What its users call it, where that is another name."""

    def __str__(self) -> str:
        facts = [
            f"{word}{value}"
            for word, value in (
                ("", self.title),
                ("pid ", self.pid),
                ("user ", self.user),
                ("container ", self.container),
                ("started by ", self.parent),
                ("for ", self.behalf),
            )
            if value not in ("", None)
        ]
        told = ", ".join(facts)
        name = self.name or self.path.rpartition("/")[2] or "unknown"
        return f"{name} ({told})" if told else name

    def completed(self, other: Program) -> Program:
        """With what `other` knows beyond it, of the same program."""
        return Program(
            self.name or other.name,
            self.pid if self.pid is not None else other.pid,
            self.user or other.user,
            self.path or other.path,
            self.container or other.container,
            self.parent or other.parent,
            self.behalf or other.behalf,
            self.title or other.title,
        )

    def is_same(self, other: Program) -> bool:
        """Whether both may be one program: nothing that both know differs."""
        return bool(self.pid == other.pid or not (self.pid and other.pid)) and (
            self.name == other.name or not (self.name and other.name)
        )

    def is_called(self, word: str) -> bool:
        """Whether `word` is its name, whole and in any case: as recorded, without `.exe`, the
        last part of its path, or with the end that its recorder cut off."""
        word = word.casefold()
        names = {
            name.casefold()
            for name in (self.name, self.title, *_last_parts(self.path), *_last_parts(self.name))
            if name
        }
        names |= {name.removesuffix(".exe") for name in names}
        cut = self.name.casefold()
        return word in names or (len(cut) in _CUT_LENGTHS and word.startswith(cut))


def _last_parts(path: str) -> tuple[str, str]:
    return path.rpartition("/")[2], path.rpartition("\\")[2]
