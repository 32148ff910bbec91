"""``daulat chips``: where each chip is, since when, under which permit, and what doesn't add up."""
