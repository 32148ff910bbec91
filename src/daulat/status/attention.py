"""Decides what needs attention, the most urgent first, and which command shows more of it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator

from daulat.api.counted import counted
from daulat.api.names import LEASE
from daulat.api.reasons import ACCEPTED, ACCOUNTED, INVALID, NOT_APPROVED
from daulat.facts.declared import Declared, Unparsable

from .facts import Facts
from .standing import NOT_REPORTED, warnings
from .view import (
    Attention,
    Definitions,
    ExemptionRow,
    ModelRow,
    Operator,
    PolicyRow,
    Severity,
    State,
    ZoneRow,
)

PATIENCE = 900.0
"""Seconds that an object may be in a state that passes by itself before it is listed: weights of hundreds of GiB take minutes."""
FIRST = 60.0
"""Seconds that the operator may take to write the first status of an object."""
_Row = PolicyRow | ZoneRow | ModelRow
_ORDER = ("Lease", "CustomResourceDefinition", "SovereigntyPolicy", "SovereignZone", "SovereignModel")
"""What others depend on comes first."""


class Commands:
    """The commands that show more, for the context that the user chose."""

    def __init__(self, context: str = "") -> None:
        self._context = ("--context", context) if context else ()

    def write(self, *words: str) -> str:
        """Return a command line with quoted words."""
        return shlex.join((*words, *self._context))

    def explain(self, row: _Row) -> str:
        """Return the command that explains the object of a row."""
        match row:
            case ModelRow():
                return self.write("daulat", "explain", "model", row.name, "-n", row.namespace, "--cluster")
            case ZoneRow():
                return self.write("daulat", "explain", "zone", row.name, "--cluster")
            case PolicyRow():
                return self.write("daulat", "explain", "policy", row.name, "--cluster")

    def describe(self, row: _Row) -> str:
        """Return the command that shows the object of a row as it is stored, for one that can't be read as what it should be."""
        match row:
            case ModelRow():
                return self.write("kubectl", "describe", "sovereignmodel", row.name, "-n", row.namespace)
            case ZoneRow():
                return self.write("kubectl", "describe", "sovereignzone", row.name)
            case PolicyRow():
                return self.write("kubectl", "describe", "sovereigntypolicy", row.name)


def installation(operator: Operator, definitions: Definitions, facts: Facts, commands: Commands) -> Iterator[Attention]:
    """Yield what is wrong with the installation."""
    if operator.leading is False:
        if operator.seconds_since_renewal is None:
            what = f"no operator leads: Lease {operator.lease} isn't there or is held by no replica"
        else:
            what = f"no operator leads: Lease {operator.lease} was renewed {operator.seconds_since_renewal:.0f} s ago"
        what += ". Admission still enforces policies; the operator decides nothing new"
        command = commands.write("kubectl", "get", "pods", "-n", facts.operator_namespace)
        yield Attention(Severity.FAILURE, "Lease", facts.operator_namespace, LEASE, "NoOperatorLeads", what, command)
    apply = commands.write("daulat", "crds", "apply", "--dry-run")
    for kinds, severity, reason, what in (
        (definitions.missing, Severity.FAILURE, "DefinitionMissing", "isn't installed"),
        (definitions.outdated, Severity.WARNING, "DefinitionOutdated", "lacks fields of this release of daulat"),
        (definitions.newer, Severity.WARNING, "DefinitionNewer", "has fields of another release of daulat"),
    ):
        for kind in kinds:
            message = f"the CustomResourceDefinition of {kind} {what}"
            yield Attention(severity, "CustomResourceDefinition", "", kind, reason, message, apply)


def objects(kind: str, rows: Iterable[_Row], commands: Commands) -> Iterator[Attention]:
    """Yield what is wrong with policies, zones or models."""
    for row in rows:
        namespace = row.namespace if isinstance(row, ModelRow) else ""
        severity = _severity(row)
        if severity is not None:
            # What can't be read can't be explained either.
            told = commands.describe(row) if row.reason in (INVALID, NOT_REPORTED) else commands.explain(row)
            yield Attention(severity, kind, namespace, row.name, row.reason, _message(row), told)
        for reason, message in row.warnings:
            yield Attention(Severity.WARNING, kind, namespace, row.name, reason, message, commands.explain(row))


def exemptions(rows: Iterable[ExemptionRow], commands: Commands) -> Iterator[Attention]:
    """Yield exemptions that end soon, and those that have no effect."""
    for row in rows:
        command = commands.write("kubectl", "describe", "sovereigntyexemption", row.name)
        if row.active and row.expiring_soon:
            what = f"ends at {row.expires_at}; all controls then apply again to new objects"
        elif not row.active and row.reason != NOT_REPORTED:
            what = row.message
            if row.reason != NOT_APPROVED:
                command = commands.write("daulat", "explain", "exemption", row.name, "--cluster")
        else:
            continue
        reason = "EndsSoon" if row.active else row.reason
        yield Attention(Severity.WARNING, "SovereigntyExemption", "", row.name, reason, what, command)


def records(facts: Facts, commands: Commands) -> Iterator[Attention]:
    """Yield AcceleratorInventories whose chips don't add up, and NodeAttestations that are no evidence."""
    for name, inventory in facts.snapshot.inventories.items():
        for reason, message in warnings(inventory.status, ACCOUNTED) if isinstance(inventory, Declared) else ():
            command = commands.write("daulat", "chips")
            yield Attention(Severity.WARNING, "AcceleratorInventory", "", name, reason, message, command)
    for name, attestation in facts.snapshot.attestations.items():
        for reason, message in warnings(attestation.status, ACCEPTED) if isinstance(attestation, Declared) else ():
            command = commands.write("kubectl", "describe", "nodeattestation", name)
            yield Attention(Severity.WARNING, "NodeAttestation", "", name, reason, message, command)


def without_rows(facts: Facts, commands: Commands) -> Iterator[Attention]:
    """Yield objects of kinds without rows that can't be read: nothing is known of them."""
    for kind, found in (
        ("AcceleratorInventory", facts.snapshot.inventories),
        ("NodeAttestation", facts.snapshot.attestations),
        ("AcceleratorProfile", facts.snapshot.profiles),
        ("SovereigntyExemption", facts.snapshot.exemptions),
    ):
        for name, one in found.items():
            if isinstance(one, Unparsable):
                command = commands.write("kubectl", "describe", kind.lower(), name)
                yield Attention(Severity.FAILURE, kind, "", name, str(INVALID), one.reason, command)


def ordered(found: Iterable[Attention]) -> tuple[Attention, ...]:
    """Return the findings, failures first, and of these what others depend on first."""
    places = {kind: place for place, kind in enumerate(_ORDER)}
    severities = list(Severity)

    def key(each: Attention) -> tuple[int, int, str, str]:
        place = places.get(each.kind, len(places))
        return severities.index(each.severity), place, each.namespace, each.name

    return tuple(sorted(found, key=key))


def _severity(row: _Row) -> Severity | None:
    seconds = row.seconds_in_state
    match row.state:
        case State.READY:
            return None
        case State.FAILED:
            return Severity.FAILURE
        case State.PROGRESSING:
            return Severity.WARNING if seconds is not None and seconds > PATIENCE else None
        case State.UNKNOWN:
            young = row.reason == NOT_REPORTED and seconds is not None and seconds <= FIRST
            return None if young else Severity.WARNING


def _message(row: _Row) -> str:
    if row.state is not State.PROGRESSING or row.seconds_in_state is None:
        return row.message
    return f"not ready for {counted(int(row.seconds_in_state // 60), 'minute')}: {row.message}"
