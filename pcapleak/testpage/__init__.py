"""The page that puts a browser's WebRTC to the test, and the servers it is given."""
