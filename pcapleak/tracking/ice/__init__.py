"""ICE sessions and their candidates, rebuilt from packets."""

from pcapleak.tracking.ice.tracker import IceTracker

__all__ = ["IceTracker"]
