"""Looks for what weakens enforcement in a cluster: raw lists in, findings out. What can't be seen is said, never passed. Pure."""
