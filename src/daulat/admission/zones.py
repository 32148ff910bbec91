"""Says whether a zone is good enough for a policy, and why it isn't."""

from __future__ import annotations

from daulat.api.requirements import ZoneRequirements
from daulat.api.zone import SovereignZoneSpec


def rejects(asked: ZoneRequirements, name: str, zone: SovereignZoneSpec) -> str | None:
    """Return why a policy doesn't accept the zone, or None where it does."""
    if asked.names and name not in asked.names:
        return f"zone {name} is none of {', '.join(asked.names)}"
    if asked.countries and zone.country not in asked.countries:
        return f"zone {name} is in {zone.country}, outside {', '.join(asked.countries)}"
    if asked.operator_countries and zone.operator.country not in asked.operator_countries:
        return f"zone {name} is operated from {zone.operator.country}, outside {', '.join(asked.operator_countries)}"
    parent = zone.operator.ultimate_parent_country
    if asked.parent_countries and parent not in asked.parent_countries:
        return f"zone {name} is operated by a company whose parent is in {parent}, outside {', '.join(asked.parent_countries)}"
    if asked.minimum_data_class and zone.maximum_data_class.rank < asked.minimum_data_class.rank:
        return f"zone {name} may handle {zone.maximum_data_class} data at most, not {asked.minimum_data_class}"
    return None
