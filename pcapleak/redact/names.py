"""What everything is called in a redacted capture: one `Renamer` holds all renaming.

Addresses keep their class (private stays private, public public) and common prefixes; names,
labels, tokens and hardware addresses keep their length and the kind of their characters.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path

from pcapleak.errors import PcapleakError
from pcapleak.redact.cipher import KEY_SIZE, PrefixCipher
from pcapleak.redact.draft import Draft
from pcapleak.redact.labels import KEPT_LABELS, is_service, kept_from, last_labels
from pcapleak.redact.leftovers import Leftovers
from pcapleak.values.addresses import RANGES
from pcapleak.values.packets import IPAddress

_MORE = (
    "2000::/3", "2001::/32", "2002::/16", "fc00::/8", "fd00::/8",
    "fe80::/64",
)  # fmt: skip
"""Ranges beside the special ones on whose edges findings depend: relays and carriers of IPv4 inside
IPv6, global addresses, halves and parts of the special ones."""
_CLASSES = tuple(dict.fromkeys((*(str(network) for network, _ in RANGES), *_MORE)))
_CLASSES4 = tuple(text for text in _CLASSES if ":" not in text)
_CLASSES6 = tuple(text for text in _CLASSES if ":" in text)
_UNTOUCHED = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/32", "127.0.0.0/8", "192.0.0.0/24", "224.0.0.0/4", "255.255.255.255/32",
        "::/127", "ff00::/8", "::ffff:127.0.0.0/104",
    )
)  # fmt: skip
"""Loopback, multicast and addresses of the protocol itself name nobody."""

_SOLICITED_NODE = int(IPv6Address("ff02::1:ff00:0")) >> 24
"""RFC 4291 section 2.7.1: the last three bytes are those of somebody's address."""
_IPV4_INSIDE = tuple(
    int(IPv6Address(text)) >> 32 for text in ("::ffff:0:0", "64:ff9b::", "::ffff:0:0:0")
)
_6TO4 = 0x2002
_EUI64 = 0xFFFE
_UNIVERSAL = 0x02

_UUID = re.compile(rb"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_HEX = re.compile(rb"[0-9a-f]+\Z")
_IN_INTERFACE = re.compile(
    r"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{12}|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})"
    r"(?![0-9A-Fa-f])|(?<![0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9.])"
)
_LETTERS = b"abcdefghijklmnopqrstuvwxyz"
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
MAX_KNOWN = 256
"""Addresses of the capture that a foundation is tried against, with each tie-breaker: at most 8192
hashes, some milliseconds."""
_REMEMBERED = 1 << 18
"""Labels and tokens remembered, and originals: at about 200 bytes each, 50 MB a kind."""


def read_key(path: Path) -> bytes:
    """The key in a file; the file is made, for its owner alone, where there is none.

    Raises PcapleakError where the file holds something else or cannot be read or made.
    """
    import os
    import secrets

    try:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            with path.open("rb") as file:
                key = file.read(KEY_SIZE + 1)
        else:
            key = secrets.token_bytes(KEY_SIZE)
            with os.fdopen(handle, "wb") as file:
                file.write(key)
    except OSError as error:
        raise PcapleakError(f"{path}: no key ({error.strerror}); name another file") from error
    if len(key) != KEY_SIZE:
        raise PcapleakError(f"{path}: a key has {KEY_SIZE} bytes, and this has another length")
    return key


def _prefixes(texts: tuple[str, ...]) -> list[tuple[int, int]]:
    networks = (ip_network(text) for text in texts)
    return [
        (int(network.network_address) >> (network.max_prefixlen - network.prefixlen),
         network.prefixlen)
        for network in networks
    ]  # fmt: skip


class Renamer:
    """Renames consistently: the same thing always, with the same key in every capture.

    Only labels shorter than three letters can depend on what came before them: two that would
    get one name are told apart in the order they appear.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._four = PrefixCipher(key, 32, _prefixes(_CLASSES4))
        self._six = PrefixCipher(key, 128, _prefixes(_CLASSES6))
        # The two lowest bits of the first byte: group and locally administered.
        straight = [(first << 2 | low, 8) for first in range(64) for low in range(4)]
        self._mac = PrefixCipher(self._derive(b"mac"), 48, straight)
        self._node = PrefixCipher(self._derive(b"node"), 24)
        self.originals: set[IPAddress] = set()
        """Addresses that have another name now: none may be left."""
        self.hardware: set[bytes] = set()
        """Hardware addresses that have."""
        self.seen: set[IPAddress] = set()
        """Addresses that were asked for."""
        self.tie_breakers: set[int] = set()
        """What salts the foundations of libwebrtc."""
        self.foundations: dict[tuple[str, str, str], str] = {}
        """What foundations have become."""
        self.known: tuple[str, ...] = ()
        """Addresses that foundations are tried against."""
        self.settled = False
        """All was seen that foundations can be made of."""
        self.leftovers: Leftovers | None = None
        """The search for what is left, once everything was seen."""
        self._packed: dict[bytes, bytes] = {}
        self._labels: dict[bytes, bytes] = {}
        self._taken: set[bytes] = set()

    def _derive(self, purpose: bytes) -> bytes:
        return hmac.digest(self._key, b"pcapleak " + purpose, hashlib.sha256)

    @property
    def forgets(self) -> bool:
        """There were more addresses than are remembered: later ones are in none of the sets."""
        return len(self.seen) >= _REMEMBERED or len(self.hardware) >= _REMEMBERED

    def settle(self) -> None:
        """Everything was asked for once: from here on foundations can be told."""
        own_first = sorted(self.seen, key=lambda a: (a.is_global, a.version, int(a)))
        self.known = tuple(map(str, own_first[:MAX_KNOWN]))
        self.settled = True
        self.leftovers = Leftovers(self.originals, self.hardware)

    def clean(self, draft: Draft) -> Draft:
        """The draft without what was only kept, where that reads like an address: for what will
        be packed or sealed, where the search of the whole does not find it."""
        if self.leftovers is not None and self.leftovers.find(draft.out, draft.known):
            draft.blank_kept()
        return draft

    def address(self, address: IPAddress) -> IPAddress:
        """The name of an address."""
        if isinstance(address, IPv4Address):
            renamed: IPAddress = self._address4(address)
        else:
            renamed = self._address6(address)
        if len(self.seen) < _REMEMBERED:
            self.seen.add(address)
            if renamed != address:
                self.originals.add(address)
        return renamed

    def packed(self, octets: bytes) -> bytes:
        """The same for 4 or 16 bytes."""
        made = self._packed.get(octets)
        if made is None:
            address = IPv4Address(octets) if len(octets) == 4 else IPv6Address(octets)
            made = self.address(address).packed
            if len(self._packed) < _REMEMBERED:
                self._packed[octets] = made
        return made

    def network(self, network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
        """The name of a network: what the addresses inside it begin with."""
        if isinstance(network, IPv4Network):
            number = self._four.rename(int(network.network_address))
            return IPv4Network((number, network.prefixlen), strict=False)
        number = self._six.rename(int(network.network_address))
        return IPv6Network((number, network.prefixlen), strict=False)

    def mac(self, octets: bytes) -> bytes:
        """The name of a 48-bit hardware address; group addresses are no one's."""
        if octets[:3] == b"\x33\x33\xff":
            return octets[:3] + self._low24(octets[3:])
        if octets[0] & 1 or not any(octets):
            return octets
        made = self._mac.rename(int.from_bytes(octets, "big")).to_bytes(6, "big")
        if made != octets and len(self.hardware) < _REMEMBERED:
            self.hardware.add(octets)
        return made

    def label(self, label: bytes) -> bytes:
        """The name of one label of a domain name, of the same length."""
        low = label.lower()
        if low in KEPT_LABELS or is_service(low):
            return label
        known = self._labels.get(low)
        if known is None:
            known = self._new_label(low)
            if len(self._labels) < _REMEMBERED:
                self._labels[low] = known
                self._taken.add(known)
        return known

    def _new_label(self, label: bytes) -> bytes:
        make = partial(self._uuid, label) if _UUID.match(label) else partial(self._word, label)
        for attempt in range(64):
            made = make(attempt)
            if made not in self._taken and made not in KEPT_LABELS:
                return made
        return made

    def _uuid(self, label: bytes, attempt: int) -> bytes:
        digits = self._digest(b"uuid", label, attempt, 32).hex().encode()
        made = bytearray(label)
        for at, character in enumerate(label):
            # Version and variant are kept (RFC 9562 section 4).
            if character != ord("-") and at not in (14, 19):
                made[at] = digits[at]
        return bytes(made)

    def _word(self, label: bytes, attempt: int) -> bytes:
        digest = self._digest(b"label", label, attempt, len(label))
        return bytes(
            character if character in b"-_" else _LETTERS[digit % 26]
            for character, digit in zip(label, digest, strict=True)
        )

    def _digest(self, purpose: bytes, text: bytes, attempt: int, size: int) -> bytes:
        message = b"%s %d %s" % (purpose, attempt, text)
        return hashlib.shake_256(self._key + message).digest(size)

    def token(self, token: bytes) -> bytes:
        """A credential's stand-in: as long, and of hexadecimal digits or of letters alone if it
        was, as what makes it is told by that."""
        digest = self._digest(b"token", token, 0, len(token))
        if _HEX.match(token):
            return digest.hex().encode()[: len(token)]
        if token.isalpha():
            return bytes(_BASE64[digit % 52] for digit in digest)
        made = bytes(_BASE64[digit & 63] for digit in digest)
        return made[:-1] + b"0" if made.isalpha() else made

    def identifier(self, octets: bytes) -> bytes:
        """A random number's stand-in, as long: of base64's letters if it was, as what makes them
        is told by that. Zeros, which say that there is none, stay."""
        if not any(octets):
            return octets
        digest = self._digest(b"identifier", octets, 0, len(octets))
        if not octets.translate(None, _BASE64):
            return bytes(_BASE64[digit & 63] for digit in digest)
        return digest

    def tie_breaker(self, number: int) -> int:
        """The same for a tie-breaker (RFC 8445 section 7.1.1)."""
        return int.from_bytes(self.identifier(number.to_bytes(8, "big")), "big")

    def shifted(self, octets: bytes) -> bytes:
        """A counter's stand-in, moved by the same for all of its length; zeros stay."""
        if not any(octets):
            return octets
        top = (1 << 8 * len(octets)) - 1
        move = int.from_bytes(self._derive(b"counter %d" % len(octets))[:8], "big")
        made = (int.from_bytes(octets, "big") - 1 + move) % top + 1
        return made.to_bytes(len(octets), "big")

    def interface(self, name: str) -> str:
        """The name of a network interface, of which only what tells of a machine is renamed:
        hardware addresses (`enx001122334455`), UUIDs (`\\Device\\NPF_{...}`), addresses."""

        def one(match: re.Match[str]) -> str:
            text = match.group()
            if len(text) == 12 and text.isalnum():
                return self.mac(bytes.fromhex(text)).hex()
            return self.label(text.encode()).decode() if "-" in text else self.host(text)

        return _IN_INTERFACE.sub(one, name)

    def program(self, name: str) -> str:
        """The name of a program or a user; numbers and the suffix `.exe` stay."""
        low = name.casefold()
        stem = low.removesuffix(".exe")
        if not stem or stem.isdecimal():
            return name
        made = self.label(b"program " + stem.encode())[8:].decode("ascii", "replace")
        return made + low[len(stem) :]

    def host(self, name: str) -> str:
        """The name of a host: its labels renamed, but for top-level domains and for names the
        whole world asks for."""
        bare = name.rstrip(".").lower()
        try:
            return str(self.address(ip_address(bare)))
        except ValueError:
            pass
        labels = name.encode("utf-8", "surrogateescape").split(b".")
        return ".".join(label.decode("utf-8", "replace") for label in self.labels(tuple(labels)))

    def labels(self, labels: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """The same for a name's labels; the addresses that names under `arpa` spell too.

        What a label becomes depends on itself and the labels after it, so that names which
        share their end still do.
        """
        low = tuple(label.lower() for label in labels)
        if low[-2:] == (b"in-addr", b"arpa"):
            return (*self._octets(low[:-2]), *labels[-2:])
        if low[-2:] == (b"ip6", b"arpa"):
            return (*self._nibbles(low[:-2]), *labels[-2:])
        kept = kept_from(low)
        last = len(labels) - 1
        while last > 0 and not labels[last]:
            last -= 1
        if 0 < last < kept and low[last] in last_labels():
            kept = last
        return (*map(self.label, labels[:kept]), *labels[kept:])

    def _octets(self, labels: tuple[bytes, ...]) -> tuple[bytes, ...]:
        numbers = labels[::-1]
        if len(numbers) > 4 or not all(n.isdigit() and int(n) < 256 for n in numbers):
            return tuple(map(self.label, labels))
        packed = bytes(map(int, numbers)).ljust(4, b"\0")
        made = self.address(IPv4Address(packed)).packed if len(numbers) == 4 else (
            self._four.rename(int.from_bytes(packed, "big")).to_bytes(4, "big")
        )  # fmt: skip
        return tuple(b"%d" % octet for octet in made[: len(numbers)])[::-1]

    def _nibbles(self, labels: tuple[bytes, ...]) -> tuple[bytes, ...]:
        digits = b"".join(labels[::-1])
        if len(digits) != len(labels) or len(digits) > 32 or not _HEX.match(digits or b"0"):
            return tuple(map(self.label, labels))
        number = int(digits.ljust(32, b"0") or b"0", 16)
        made = (
            self.address(IPv6Address(number)).packed
            if len(digits) == 32
            else self._six.rename(number).to_bytes(16, "big")
        )
        text = made.hex().encode()[: len(digits)]
        return tuple(bytes((digit,)) for digit in text)[::-1]

    def _address4(self, address: IPv4Address) -> IPv4Address:
        if any(network.version == 4 and address in network for network in _UNTOUCHED):
            return address
        return IPv4Address(self._four.rename(int(address)))

    def _address6(self, address: IPv6Address) -> IPv6Address:
        number = int(address)
        if number >> 24 == _SOLICITED_NODE:
            tail = self._low24((number & 0xFF_FFFF).to_bytes(3, "big"))
            return IPv6Address(number >> 24 << 24 | int.from_bytes(tail, "big"))
        if any(network.version == 6 and address in network for network in _UNTOUCHED):
            return address
        if number >> 32 in _IPV4_INSIDE:
            inner = self.address(IPv4Address(number & 0xFFFF_FFFF))
            return IPv6Address(number >> 32 << 32 | int(inner))
        if number >> 112 == _6TO4:
            inner = self.address(IPv4Address(number >> 80 & 0xFFFF_FFFF))
            low = self._six.rename(number) & (1 << 80) - 1
            return IPv6Address(_6TO4 << 112 | int(inner) << 80 | low)
        if number >> 24 & 0xFFFF == _EUI64:
            # RFC 4291 appendix A: the hardware address with a bit turned, ff:fe in its middle.
            interface = (number & (1 << 64) - 1).to_bytes(8, "big")
            renamed = self.mac(bytes((interface[0] ^ _UNIVERSAL,)) + interface[1:3] + interface[5:])
            host = bytes((renamed[0] ^ _UNIVERSAL,)) + renamed[1:3] + b"\xff\xfe" + renamed[3:]
            high = self._six.rename(number) >> 64 << 64
            return IPv6Address(high + int.from_bytes(host, "big"))
        made = self._six.rename(number)
        while made >> 24 & 0xFFFF == _EUI64:  # as no hardware address made it
            made = made >> 64 << 64 | self._six.rename(made) & (1 << 64) - 1
        return IPv6Address(made)

    def _low24(self, octets: bytes) -> bytes:
        return self._node.rename(int.from_bytes(octets, "big")).to_bytes(3, "big")
