"""The findings: what each one means and what raises it."""
