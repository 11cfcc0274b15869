"""The flow table: one row for each conversation of two endpoints."""
