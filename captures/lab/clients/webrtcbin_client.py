"""GStreamer's webrtcbin, which stands on libnice, offers a data channel as `aiortc_client` does."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402


class Client:
    """One webrtcbin, which offers when it is asked to negotiate."""

    def __init__(self, folder: Path, server: str) -> None:
        self.folder = folder
        self.webrtc = Gst.ElementFactory.make("webrtcbin", "lab")
        self.webrtc.set_property("stun-server", server.replace("stun:", "stun://"))
        pipeline = Gst.Pipeline.new("lab")
        pipeline.add(self.webrtc)
        self.webrtc.connect("on-negotiation-needed", self._negotiate)
        self.webrtc.connect("notify::ice-gathering-state", self._gathered)
        pipeline.set_state(Gst.State.READY)
        self.channel = self.webrtc.emit("create-data-channel", "lab", None)
        self.channel.connect("on-open", self._opened)
        pipeline.set_state(Gst.State.PLAYING)
        self.pipeline = pipeline

    def _negotiate(self, webrtc: Gst.Element) -> None:
        made = Gst.Promise.new_with_change_func(self._offered, None)
        webrtc.emit("create-offer", None, made)

    def _offered(self, promise: Gst.Promise, _: None) -> None:
        # The reply owns the offer, and must outlive its use.
        reply = promise.get_reply()
        offer = reply.get_value("offer")
        self.webrtc.emit("set-local-description", offer, Gst.Promise.new())

    def _gathered(self, *_: object) -> None:
        state = self.webrtc.get_property("ice-gathering-state")
        if state != GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            return
        version = ".".join(str(part) for part in Gst.version()[:3])
        description = self.webrtc.get_property("local-description")
        sdp = description.sdp.as_text()
        said = {"program": f"GStreamer webrtcbin {version}", "sdp": sdp}
        (self.folder / ".offer").write_text(json.dumps(said))
        (self.folder / ".offer").rename(self.folder / "offer")

    def answered(self) -> bool:
        """Take the answer once it is there; whether to ask again."""
        if not (self.folder / "answer").exists():
            return True
        _, message = GstSdp.SDPMessage.new_from_text((self.folder / "answer").read_text())
        answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        self.webrtc.emit("set-remote-description", answer, Gst.Promise.new())
        return False

    def _opened(self, channel: GstWebRTC.WebRTCDataChannel) -> None:
        channel.emit("send-string", "hello from webrtcbin")
        print("connected", flush=True)


if __name__ == "__main__":
    Gst.init(None)
    client = Client(Path(sys.argv[1]), sys.argv[2])
    if "call" in sys.argv[3:]:
        GLib.timeout_add(50, client.answered)
    GLib.MainLoop().run()
