"""``daulat explain``: the command, and the explanation as text."""
