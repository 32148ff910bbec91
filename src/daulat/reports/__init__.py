"""Judges what is already in governed namespaces by today's policies, and writes it up as reports. Pure."""
