"""``daulat where-ran``."""
