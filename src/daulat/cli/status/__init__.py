"""``daulat status``: the command, what it reads, and the forms of its summary."""
