"""From record batches to IP packets as columns, and which decoder wants each payload."""

from pcapleak.dissect.dissector import Dissector
from pcapleak.dissect.icmp import IcmpQuote, decode_icmp_quote
from pcapleak.dissect.recognise import recognise

__all__ = ["Dissector", "IcmpQuote", "decode_icmp_quote", "recognise"]
