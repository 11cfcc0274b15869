"""Does the address WebRTC shows agree with the rest of the story? All offline."""
