"""``daulat doctor``: the command, what it reads, and the formats of its report."""
