"""From record batches to IP packets as columns, and which decoder wants each payload."""

from .dissector import Dissector
from .icmp import IcmpQuote, decode_icmp_quote
from .recognise import recognise

__all__ = ["Dissector", "IcmpQuote", "decode_icmp_quote", "recognise"]
