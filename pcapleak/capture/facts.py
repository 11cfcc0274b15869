"""What reading a capture tells besides its records."""

from __future__ import annotations

from msgspec import Struct, field

from pcapleak.capture.machine_notes import Note
from pcapleak.values.packets import Interface

MAX_NAMES = 65536
"""Addresses with names kept from name resolution blocks: about 300 bytes each, 20 MB at most."""
MAX_SECRETS_BYTES = 16 << 20
MAX_SECRETS = 1024
"""Bytes and number of key logs kept."""


class Problems:
    """What is wrong with a capture, each kind once, with how often and where first."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._first: dict[str, str] = {}

    def add(self, what: str, where: str = "", count: int = 1) -> None:
        """Note `what`, a sentence without numbers; `where` is kept from the first time only."""
        if count:
            self._counts[what] = self._counts.get(what, 0) + count
            self._first.setdefault(what, where)

    def texts(self) -> list[str]:
        """One line a kind, sorted: the order of their sight depends on the windows."""
        return [self._text(what, count) for what, count in sorted(self._counts.items())]

    def _text(self, what: str, count: int) -> str:
        where = self._first[what]
        if count == 1:
            return f"{what} ({where})" if where else what
        return f"{what} ({count} times, first {where})" if where else f"{what} ({count} times)"


class Facts(Struct):
    """Grows while a capture is read; the format readers fill it."""

    path: str
    capture: int
    interfaces: list[Interface]
    """Shared by all captures of a run: an interface's id is its position."""
    format: str = ""
    text_bytes: int = 0
    """Characters of the names and descriptions of interfaces so far."""
    defined: int = 0
    """Interfaces of this capture so far."""
    truncated: bool = False
    """The capture ends inside a record."""
    frames: int = 0
    """Records seen, those included that hold no packet but that Wireshark numbers."""
    notes: Problems = field(default_factory=Problems)
    secrets: list[bytes] = field(default_factory=list)
    """TLS key logs from decryption secrets blocks."""
    secret_lines: int = 0
    """Lines of all of them, those that were not kept too."""
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of addresses from name resolution blocks."""
    comments: list[str] = field(default_factory=list)
    machine: list[Note] = field(default_factory=list)
    """What the watch that recorded it knew of its machine."""
    """Comments on the capture as a whole."""

    def add_interface(self, interface: Interface) -> Interface:
        """Append `interface` to the shared list; its id and capture are set here."""
        interface.id = len(self.interfaces)
        interface.capture = self.capture
        self.interfaces.append(interface)
        self.defined += 1
        return interface

    def add_names(self, address: str, names: tuple[str, ...]) -> None:
        """Remember what a name resolution record says."""
        known = self.names.get(address, ())
        if known or len(self.names) < MAX_NAMES:
            self.names[address] = tuple(dict.fromkeys((*known, *names)))[:16]

    def add_secrets(self, secrets: bytes) -> None:
        """Keep a key log, within the bound."""
        self.secret_lines += secrets.count(b"\n") + 1
        if (
            len(self.secrets) >= MAX_SECRETS
            or sum(map(len, self.secrets)) + len(secrets) > MAX_SECRETS_BYTES
        ):
            self.notes.add("decryption secrets beyond 1024 key logs or 16 MiB were not kept")
        elif secrets not in self.secrets:
            self.secrets.append(secrets)

    def cut(self, what: str, position: int) -> None:
        """Note that the capture ends, or stops making sense, at byte `position`."""
        self.truncated = True
        self.notes.add(what, f"at byte {position}")
