"""The text of a nodeSelector in an annotation of a namespace: ``key=value`` entries, separated by commas.

Admission plugins add it to the pods of the namespace: PodNodeSelector by ``scheduler.alpha.kubernetes.io/node-selector``,
OpenShift's by ``openshift.io/node-selector``. Entries under Daulat's prefix are Daulat's; all others belong to whoever runs the
cluster.
"""

from __future__ import annotations

from collections.abc import Iterable

from daulat.api.names import ELIGIBLE, NODE_PREFIX


def pins_in(text: str) -> frozenset[str]:
    """Return the labels of eligibility that the text asks for."""
    return frozenset(
        key for key, value in map(_entry, _entries(text)) if key.startswith(NODE_PREFIX) and value == ELIGIBLE
    )


def with_pins(text: str, labels: Iterable[str]) -> str:
    """Return the text with these labels of eligibility, and no other entry of Daulat's. The entries of others stay as they are."""
    others = [entry for entry in _entries(text) if not _entry(entry)[0].startswith(NODE_PREFIX)]
    return ",".join([*others, *(f"{label}={ELIGIBLE}" for label in sorted(labels))])


def _entries(text: str) -> list[str]:
    return [entry.strip() for entry in text.split(",") if entry.strip()]


def _entry(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key.strip(), value.lstrip("=").strip()
