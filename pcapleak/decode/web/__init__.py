"""TLS, QUIC, HTTP, WebSocket and signalling."""
