"""The state of an installation at a glance: rows for policies, zones, models and exemptions, and what needs attention."""
