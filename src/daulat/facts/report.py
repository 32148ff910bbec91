"""What couldn't be carried out of a pass: a fact about the operator's own work, which the status of the object tells."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Report:
    """The errors of the last pass over a key, by stage. Empty where all of it was carried out."""

    apply: str = ""
    """Why an object couldn't be applied, or isn't as it was applied."""
    differs: bool = False
    """Whether everything was applied, and an object isn't so all the same."""
    evict: tuple[str, ...] = ()
    """Why pods or workloads couldn't be deleted that must not run."""
    sweep: tuple[str, ...] = ()
    """Why objects that aren't wanted any more couldn't be deleted."""
