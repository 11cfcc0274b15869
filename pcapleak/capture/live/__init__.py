"""Capture from the machine's own interfaces (Linux)."""

from pcapleak.capture.live.devices import Device, DeviceChange, list_devices
from pcapleak.capture.live.ring import CaptureRightsError
from pcapleak.capture.live.source import LiveSource

__all__ = ["CaptureRightsError", "Device", "DeviceChange", "LiveSource", "list_devices"]
