"""The errors of pcapleak. Everything raised on purpose derives from `PcapleakError`."""

from __future__ import annotations

from typing import Self


class PcapleakError(Exception):
    """An error the user can act on: its text says what is wrong, where, and what to do."""


class CaptureError(PcapleakError):
    """A capture cannot be read at all (missing, empty, not a capture)."""

    def __init__(self, path: str, problem: str, remedy: str) -> None:
        super().__init__(path, problem, remedy)
        self.path = path
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.remedy}"


class PolicyError(PcapleakError):
    """A policy file or option is wrong; the text names the key and how to mend it."""


class DecodeError(Exception):
    """Bytes that do not follow their protocol: data for the report, never a failure of a run.

    `protocol` names the decoder (`stun`, `mdns`), `place` the part of the message
    (`header`, `attribute XOR-MAPPED-ADDRESS`), `offset` the byte in the decoder's input.
    """

    def __init__(self, protocol: str, place: str, offset: int, reason: str) -> None:
        super().__init__(protocol, place, offset, reason)
        self.protocol = protocol
        self.place = place
        self.offset = offset
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.protocol} {self.place} at byte {self.offset}: {self.reason}"

    def kept(self) -> Self:
        """The error as data: without the frames that raised it, whose packets would stay in
        memory as long as it does."""
        self.__context__ = None
        return self.with_traceback(None)
