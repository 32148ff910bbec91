"""``daulat compile``: the command, and what it writes."""
