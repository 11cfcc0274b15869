"""Decoders: functions from bytes to frozen values, raising `DecodeError` only."""
