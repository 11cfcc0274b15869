"""ICE sessions and their candidates, rebuilt from packets."""

from pcapleak.track.ice.tracker import IceTracker

__all__ = ["IceTracker"]
