"""Statements about nodes: what they say, how they are signed and verified. All of it works offline, on values alone."""
