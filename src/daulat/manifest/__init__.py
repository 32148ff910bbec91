"""Manifests as text: YAML and JSON read as kubectl reads them, with file and line, and written. Pure."""
