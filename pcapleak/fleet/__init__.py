"""Many captures on many machines, through dask.distributed, and what they show together."""
