"""``daulat ledger``: verify logs and proofs, show entries, make keys."""
