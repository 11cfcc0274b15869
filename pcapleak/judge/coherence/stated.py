"""What the user states of the client: checked before anything is analyzed."""

from __future__ import annotations

from pcapleak.errors import PolicyError
from pcapleak.judge.coherence.languages import parse_languages
from pcapleak.judge.coherence.zones import canonical_zone
from pcapleak.policy.policy import Policy


def check_stated(policy: Policy) -> None:
    """Raises `PolicyError` for a time zone or language that is none."""
    if policy.timezone is not None and canonical_zone(policy.timezone) is None:
        raise PolicyError(
            f"--timezone: {policy.timezone!r} is not a time zone; write one such as Europe/Berlin"
        )
    for text in policy.languages:
        if not parse_languages(text):
            raise PolicyError(
                f"--language: {text!r} is not a language tag; write one such as de-DE or en"
            )
