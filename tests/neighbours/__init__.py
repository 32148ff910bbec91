"""Controllers of other projects in governed namespaces: what complies runs pinned, what does not is refused, and nothing loops."""
