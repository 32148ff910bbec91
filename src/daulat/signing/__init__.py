"""Signatures by PEM keys, and DSSE envelopes: for statements about nodes, and for reports."""
