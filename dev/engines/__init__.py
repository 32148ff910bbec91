"""Checks that what is rendered for an engine is what the engine's own parser takes. Needs no GPU, but room and time."""
