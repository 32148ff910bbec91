"""``daulat weights``: the commands, and what they carry out with the optional dependencies."""
