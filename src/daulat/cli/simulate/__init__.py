"""``daulat simulate`` and ``daulat snapshot``."""
