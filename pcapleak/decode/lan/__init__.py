"""What a network tells its hosts."""
