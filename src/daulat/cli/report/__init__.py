"""``daulat report``."""
