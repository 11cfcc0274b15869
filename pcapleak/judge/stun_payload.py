"""What STUN usernames are made of, where ICE made them and where they carry something else."""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_FRAGMENT = 32
"""Characters of a username fragment that engines and servers make: libwebrtc 4, nICEr 8, pion 16,
mediasoup 32. More are legal (RFC 8839 section 5.4: up to 256), and a page may ask for them."""

MAX_SHOWN = 80
"""Characters shown of one value."""

_ICE_CHARACTERS = re.compile(r"[A-Za-z0-9+/]*={0,2}")
"""Microsoft's ICE ends fragments as Base64 does."""
_ORDINARY = re.compile(rf"[A-Za-z0-9+/]{{0,{MAX_FRAGMENT}}}(:[A-Za-z0-9+/]{{0,{MAX_FRAGMENT}}})*")
"""What nearly all usernames are like, told at once."""
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
"""What Zoom names its ends by."""


def fragments(username: str) -> list[str]:
    """The receiver's fragment and the sender's; some senders count the padding in."""
    return username.rstrip("\0").split(":")


def is_foreign(username: str) -> bool:
    """Whether it has characters that no username fragment may have (RFC 8839 section 5.4)."""
    return any(
        not _ICE_CHARACTERS.fullmatch(part) and not _UUID.fullmatch(part)
        for part in fragments(username)
    )


def is_long(username: str) -> bool:
    """Whether a fragment is longer than any that agents make by themselves."""
    return any(
        len(part) > MAX_FRAGMENT for part in fragments(username) if not _UUID.fullmatch(part)
    )


def is_data(username: str) -> bool:
    """Whether it holds something that is no username fragment, by alphabet or length."""
    if _ORDINARY.fullmatch(username):
        return False
    return is_foreign(username) or is_long(username)


def is_identifier(text: str) -> bool:
    """Whether it is a UUID, which names and carries nothing."""
    return _UUID.fullmatch(text) is not None


def shown(values: Iterable[str | bytes], most: int = 3) -> str:
    """Values as a person can read them, the first few, each cut short; never a raw control
    character."""
    listed = list(dict.fromkeys(values))
    texts = []
    for value in listed[:most]:
        text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
        text = text.encode("unicode_escape").decode("ascii")
        texts.append(f"{text[:MAX_SHOWN]}..." if len(text) > MAX_SHOWN else text)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return f"{', '.join(texts)}{more}"
