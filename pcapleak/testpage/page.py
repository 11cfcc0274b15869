"""One self-contained HTML page that runs WebRTC and tells what a page can read of it.

The page loads nothing, stores nothing and asks nobody but the servers it was given: its
Content-Security-Policy allows the one script and the one style sheet inside by their hashes, and
no connection that a page can name. pcapleak only writes it; a browser and a person run it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pcapleak.decode.ice.reading import MARK, MAX_CONNECTIONS, VERSION
from pcapleak.errors import PcapleakError
from pcapleak.testpage.servers import PUBLIC_STUN, STUN_SCHEMES, TURN_SCHEMES, parse_server

TEMPLATES = Path(__file__).parent / "templates"

FILE_NAME = "pcapleak-reading.json"
"""What the browser is asked to name the reading it saves."""


class Servers(NamedTuple):
    """Whom the page asks."""

    stun: tuple[str, ...]
    turn: tuple[str, ...] = ()
    user: str | None = None
    password: str | None = None
    public: bool = False
    """They are pcapleak's choice, not the user's."""


def check_servers(
    stun: Sequence[str], turn: Sequence[str], user: str | None, password: str | None
) -> Servers:
    """The servers that options name; well-known public ones where they name none.

    Raises `PcapleakError` for a URL that is none, and for credentials that lack a server or
    a half.
    """
    asked = tuple(parse_server("--stun", url, STUN_SCHEMES) for url in stun)
    relays = tuple(parse_server("--turn", url, TURN_SCHEMES) for url in turn)
    if relays and (not user or not password):
        missing = "--turn-password" if user else "--turn-user"
        raise PcapleakError(f"--turn: a TURN server wants a name and a password; give {missing}")
    if not relays and (user is not None or password is not None):
        given = "--turn-user" if user is not None else "--turn-password"
        raise PcapleakError(f"{given}: is for a TURN server; give --turn as well")
    public = not asked and not relays
    return Servers(PUBLIC_STUN if public else asked, relays, user, password, public)


def write_page(servers: Servers) -> str:
    """The page as HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    ice: list[dict[str, object]] = [{"urls": url} for url in servers.stun]
    ice += [
        {"urls": url, "username": servers.user, "credential": servers.password}
        for url in servers.turn
    ]
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script, style = (
        (TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.js", "page.css")
    )
    return environment.get_template("page.html.j2").render(
        servers=servers,
        setup={
            "mark": MARK,
            "version": VERSION,
            "file": FILE_NAME,
            "servers": ice,
            "public": servers.public,
        },
        file=FILE_NAME,
        most=min(8, MAX_CONNECTIONS),
        script=Markup(script),  # noqa: S704  our own files
        style=Markup(style),  # noqa: S704
        script_hash=_hash(script),
        style_hash=_hash(style),
    )


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
