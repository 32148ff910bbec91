"""``daulat attest``: makes, signs and verifies statements of where nodes stand, offline."""
