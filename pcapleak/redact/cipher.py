"""Crypto-PAn: numbers of some width renamed so that common prefixes stay common prefixes.

The cipher is that of Xu, Fan, Ammar and Moon, "Prefix-Preserving IP Address Anonymization"
(ICNP 2002): bit i is flipped or not by the first bit of AES over the i bits before it. One
thing is added: below a kept prefix the bits that lead to it are never flipped, so the prefix
maps to itself and what is outside stays outside. The result is still a bijection that
preserves prefixes, because each flip depends on the bits before it alone.

In the published form one padding serves all lengths. Wherever an address has the bit that the
padding has, two flips in a row are then one, and of 256 addresses that differ in their last byte
17 keep it. So a padding of its own for each length can be had, and `pcapleak redact` has it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

KEY_SIZE = 32
"""16 bytes of AES key, 16 of which the padding is made."""

_BLOCK = 128
_REMEMBERED = 1 << 16
"""Numbers remembered: at about 150 bytes each, 10 MB; the first ones go."""


class PrefixCipher:
    """Renames numbers of `width` bits (at most 127 bits before the last are looked at)."""

    def __init__(
        self,
        key: bytes,
        width: int,
        kept: Iterable[tuple[int, int]] = (),
        *,
        published: bool = False,
    ) -> None:
        """`kept` are prefixes as (their bits, how many bits) that map to themselves.

        `published` gives what other programs' Crypto-PAn gives.
        """
        if len(key) != KEY_SIZE:
            raise ValueError(f"a key has {KEY_SIZE} bytes, not {len(key)}")
        # One block at a time, each its own message: the mode chains nothing.
        self._aes = Cipher(AES(key[:16]), ECB()).encryptor()  # noqa: S305
        pad = self._aes.update(key[16:])
        self._pads = [
            int.from_bytes(pad if published else self._aes.update(_tweak(pad, size)), "big")
            for size in range(width)
        ]
        self._width = width
        self._straight = {
            (bits >> (length - size), size) for bits, length in kept for size in range(length)
        }
        self._known: OrderedDict[int, int] = OrderedDict()

    def rename(self, number: int) -> int:
        """The name of `number`."""
        known = self._known.get(number)
        if known is not None:
            return known
        width, pads = self._width, self._pads
        blocks = b"".join(
            (
                (number >> (width - size) << (_BLOCK - size))
                | (pads[size] & ((1 << (_BLOCK - size)) - 1))
            ).to_bytes(16, "big")
            for size in range(width)
        )
        stream = self._aes.update(blocks)
        flips = 0
        for size in range(width):
            flip = stream[16 * size] >> 7
            if flip and (number >> (width - size), size) in self._straight:
                flip = 0
            flips = flips << 1 | flip
        if len(self._known) >= _REMEMBERED:
            self._known.popitem(last=False)
        self._known[number] = number ^ flips
        return number ^ flips


def _tweak(pad: bytes, size: int) -> bytes:
    return pad[:-1] + bytes((pad[-1] ^ size,))
