"""TCP connections whose first bytes some decoder wants, put together and read."""
