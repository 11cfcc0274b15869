"""From captures to a judged report: one capture, several side by side, or a watch."""
