"""One function a kind: a key and a snapshot in, effects out. Pure: time is handed in, nothing is read or written."""
