"""Read-only HTML pages of a cluster: what needs attention, zones, models, policies, exemptions and drift."""
