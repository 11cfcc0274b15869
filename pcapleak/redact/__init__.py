"""Captures that can be shown to strangers: everything renamed that names somebody."""

from pcapleak.redact.capture import Redaction, redact_capture
from pcapleak.redact.names import Renamer, read_key

__all__ = ["Redaction", "Renamer", "read_key", "redact_capture"]
