"""What tunnels and proxies say in clear."""
