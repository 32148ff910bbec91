"""Which AcceleratorProfiles a policy approves. Every selector that is given must match, and a fact that isn't known matches none.

Everything that reads what a policy approves reads it here: admission, placement, the command line and the doctor.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

from .accelerator import AcceleratorProfileSpec
from .requirements import AcceleratorRequirements

Profiles = Mapping[str, AcceleratorProfileSpec]


def approved_profiles(asked: AcceleratorRequirements, known: Profiles) -> dict[str, AcceleratorProfileSpec]:
    """Return the known profiles that are approved: in the order of spec.accelerators.profiles, or else by name."""
    names = sorted(known) if asked.profiles is None else dict.fromkeys(asked.profiles)
    return {name: known[name] for name in names if name in known and mismatch(asked, name, known[name]) is None}


def missing_profiles(asked: AcceleratorRequirements, known: Container[str]) -> tuple[str, ...]:
    """Return the profiles that the policy names and nobody knows: nothing of them is approved."""
    return tuple(name for name in asked.profiles or () if name not in known)


def may_approve(asked: AcceleratorRequirements, name: str) -> bool:
    """Say whether a profile of that name may be approved, whatever it says."""
    return asked.selects and (asked.profiles is None or name in asked.profiles)


def unmatched(asked: AcceleratorRequirements, known: Profiles) -> tuple[tuple[str, str], ...]:
    """Return the vendors and families that no known profile has, each with its field: most likely they are misspelt."""
    vendors, families = {p.vendor.name for p in known.values()}, {p.family for p in known.values()}
    found = [("vendors", name) for name in asked.vendors or () if name not in vendors]
    return (*found, *(("families", name) for name in asked.families or () if name not in families))


def mismatch(asked: AcceleratorRequirements, name: str, profile: AcceleratorProfileSpec) -> str | None:
    """Return why a profile isn't approved, as the rest of a sentence about it; None where it is."""
    if not asked.selects:
        return "isn't selected by anything"
    if asked.profiles is not None and name not in asked.profiles:
        return "isn't in profiles"
    vendor = profile.vendor
    if asked.vendors is not None and vendor.name not in asked.vendors:
        return f"is made by {vendor.name}, which isn't in vendors"
    if asked.vendor_countries is not None:
        if vendor.country not in asked.vendor_countries:
            return f"has a vendor in {vendor.country}, which isn't in vendorCountries"
        parent = vendor.parent_country
        if parent is not None and parent not in asked.vendor_countries:
            return f"has a vendor whose parent is in {parent}, which isn't in vendorCountries"
    if asked.families is not None and profile.family not in asked.families:
        return f"is of the family {profile.family}, which isn't in families"
    flagged = sorted({flag.regime for flag in profile.risk_flags} & {*asked.exclude_regimes})
    return f"is under {', '.join(flagged)}, which excludeRegimes excludes" if flagged else None
