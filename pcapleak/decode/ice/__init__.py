"""ICE candidates: lines, priorities, foundations, and what pages say of them."""
