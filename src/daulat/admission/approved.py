"""What a compiled policy approves by name: profiles, and the extended resources and DeviceClasses that they stand for."""

from __future__ import annotations

from dataclasses import dataclass

from daulat.api.approval import Profiles, approved_profiles, unmatched
from daulat.api.requirements import AcceleratorRequirements

NOTHING_MATCHES = "no AcceleratorProfile matches all that is set, so none is approved"


@dataclass(frozen=True)
class Approved:
    """The accelerators that a policy approves, each list in order."""

    profiles: tuple[str, ...]
    resources: tuple[str, ...]
    """Extended resources, and patterns of them."""
    device_classes: tuple[str, ...]
    by_name_alone: bool
    """Whether the policy lists the profiles by name and has no other selector."""
    unmatched: tuple[tuple[str, str], ...]
    """The vendors and families that no known profile has, each with its field."""

    @property
    def doubts(self) -> tuple[str, ...]:
        """What is allowed and hardly meant, each with its field."""
        found = [f"spec.accelerators.{field}: no AcceleratorProfile has {value}" for field, value in self.unmatched]
        return (*([f"spec.accelerators: {NOTHING_MATCHES}"] if self.nothing_matches else []), *found)

    @property
    def nothing_matches(self) -> bool:
        """Whether the policy has selectors beside names and no known profile matches all of them."""
        return not self.by_name_alone and not self.profiles


def approved(asked: AcceleratorRequirements, profiles: Profiles) -> Approved:
    """Return what is approved of the known profiles."""
    found = approved_profiles(asked, profiles)
    exact = {r.name for p in found.values() for r in p.resources}
    patterns = {f.pattern for p in found.values() for f in p.resource_families}
    classes = {r.device_class_name for p in found.values() for r in p.dynamic_resources}
    return Approved(
        profiles=tuple(sorted(found)),
        resources=tuple(sorted(exact | patterns)),
        device_classes=tuple(sorted(classes)),
        by_name_alone=asked.by_name_alone,
        unmatched=unmatched(asked, profiles),
    )
