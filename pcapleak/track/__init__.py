"""What is remembered of a capture: one owner for each kind of state."""
