"""Messages, candidates and findings in words."""
