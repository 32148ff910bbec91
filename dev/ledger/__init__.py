"""Verifies logs with the libraries of Go's checksum database, which know nothing of Daulat."""
