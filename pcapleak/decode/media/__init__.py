"""DTLS, RTP, and what tells one socket's protocols apart."""
