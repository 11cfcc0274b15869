"""Who knows which password: proof of STUN messages by what the user or signalling told."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal, NamedTuple, TypeVar

from pcapleak.decode.ice.terms import ice_passwords
from pcapleak.decode.messages import Signalling
from pcapleak.decode.stun.decoder import StunMessage
from pcapleak.decode.stun.proof import prove
from pcapleak.track.signalling import MAX_TEXT, signalled_text
from pcapleak.values.packets import Context

MAX_KNOWN = 10_000
"""Users, agents and open checks remembered, of each: two texts of up to 512 bytes, 14 MB."""

_BINDING = 1

Proof = Literal["ok", "bad"]

_Key = TypeVar("_Key")
_Known = TypeVar("_Known")


class Credential(NamedTuple):
    """A password, and whose it is where messages do not say so themselves."""

    password: str
    username: str | None = None
    realm: str | None = None


class Credentials:
    """Checks the integrity of STUN messages, in capture order.

    With a credential of the user's that one counts. Without, ICE's checks are proved by the
    passwords of descriptions seen in clear (RFC 8839 section 5.4).
    """

    def __init__(self, given: Credential | None = None) -> None:
        self._given = given
        self._users: OrderedDict[int, tuple[str, str]] = OrderedDict()
        """TURN user and realm by flow: a server's answers name neither."""
        self._agents: OrderedDict[str, str] = OrderedDict()
        """Passwords that signalling showed, by username fragment."""
        self._checks: OrderedDict[tuple[int, bytes], str] = OrderedDict()
        """The password of a check by flow and transaction: answers have no USERNAME."""

    def learn(self, message: Signalling) -> None:
        """Take the passwords out of a message of signalling."""
        _, text = signalled_text(message)
        for fragment, password in ice_passwords(text[:MAX_TEXT]).items():
            _remember(self._agents, fragment, password)

    def prove(self, context: Context, message: StunMessage) -> Proof | None:
        """Whether the message was made with the password; None where that cannot be told."""
        if self._given is None:
            return self._prove_signalled(context, message)
        password = self._given.password
        # Checks that TURN carries have the peers' short-term credential, not the relay's.
        if message.method == _BINDING:
            return prove(message, password)
        if message.username and message.realm:
            _remember(self._users, context.flow, (message.username, message.realm))
        given = self._given.username, self._given.realm
        username, realm = self._users.get(context.flow, given)
        if username is None or realm is None:
            return None  # an answer whose request was not seen
        return prove(message, password, username=username, realm=realm)

    def _prove_signalled(self, context: Context, message: StunMessage) -> Proof | None:
        if message.method != _BINDING or not self._agents:
            return None
        key = context.flow, message.transaction_id
        if message.message_class == "request":
            # The receiver's password makes the request and its answer (RFC 8445 section 7.2.2).
            receiver = (message.username or "").partition(":")[0]
            if receiver not in self._agents:
                return None
            _remember(self._checks, key, self._agents[receiver])
        return prove(message, self._checks[key]) if key in self._checks else None


def _remember(known: OrderedDict[_Key, _Known], key: _Key, value: _Known) -> None:
    """Remember within bounds; the oldest is forgotten."""
    known[key] = value
    if len(known) > MAX_KNOWN:
        known.popitem(last=False)
