"""``daulat check``: the command, and the formats of its report."""
