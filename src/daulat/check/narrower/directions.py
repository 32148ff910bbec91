"""The table of directions: for every field of a policy, which of two values is the stricter one.

A field without a direction fails a test, so a new field can't be left out of the comparison.
"""

from __future__ import annotations

from enum import StrEnum


class Direction(StrEnum):
    """How two values of a field are compared: by a narrower local value, nothing is admitted that the national one refuses."""

    PARTS = "parts"
    PRESENT = "present"
    SUBSET = "subset"
    SUBSET_IF_ANY = "subset, empty for any"
    LISTED = "listed"
    LISTED_IN_SECTION = "listed in its section"
    PREFIXES = "prefixes"
    DOMAINS = "domains"
    SUPERSET = "superset"
    LICENSES = "licenses"
    DATA_CLASS = "data class"
    EVIDENCE = "evidence"
    AUTHORITIES = "authorities"
    TRUE = "true"
    FALSE = "false"
    SHORTER = "shorter"
    LARGER = "larger"
    ACTION = "action"
    DRIFT = "drift action"
    SCOPE = "scope"
    SELECTOR = "selector"
    ACCELERATORS = "accelerators"
    OTHER_RESOURCES = "other resources"
    ACKNOWLEDGEMENTS = "acknowledgements"
    PEERS = "peers"
    ALIASES = "aliases"
    SAME = "same"
    NEUTRAL = "neutral"
    ITEM = "item"


MEANINGS: dict[Direction, str] = {
    Direction.PARTS: "A section that is compared by its fields. Left out, it is the same as with every field left out.",
    Direction.PRESENT: (
        "A section that restricts as soon as it is there, even empty. The local policy must have it where the national "
        "one has."
    ),
    Direction.SUBSET: "A list of what is allowed; left out, anything is. Narrower is a subset.",
    Direction.SUBSET_IF_ANY: (
        "A list of what is allowed; left out or empty, anything is. Narrower is a subset with at least one item."
    ),
    Direction.LISTED: "A list of what is allowed; left out or empty, nothing is. Narrower is a subset.",
    Direction.LISTED_IN_SECTION: (
        "A list of what is allowed; left out or empty, nothing is, and where the section is left out, anything. Narrower is a "
        "subset."
    ),
    Direction.PREFIXES: (
        "A list of allowed beginnings; left out, anything is allowed. Narrower are beginnings that each continue a "
        "national one."
    ),
    Direction.DOMAINS: (
        "A list of allowed domains with all names under them; left out or empty, any. Narrower are names under national "
        "ones."
    ),
    Direction.SUPERSET: "A list of what is refused or required. Narrower is a superset.",
    Direction.LICENSES: "A list of what is allowed; left out, anything is. Narrower is a subset, in any letter case.",
    Direction.DATA_CLASS: (
        "Narrower is the same class or a more sensitive one, in namespaces whose own class the national zones may "
        "handle."
    ),
    Direction.EVIDENCE: "declared < observed < attested; left out, declared. Narrower is the same or a stronger one.",
    Direction.AUTHORITIES: (
        "A list of trusted authorities. If the national policy requires more evidence than a zone's record, a narrower"
        " policy lists only authorities and keys of the national one, for the same or a shorter time, and revokes the"
        " statements that it revokes."
    ),
    Direction.TRUE: "True is the stricter value.",
    Direction.FALSE: "False is the stricter value.",
    Direction.SHORTER: "A time; left out, without an end. Narrower is the same or a shorter time.",
    Direction.LARGER: "A percentage. Narrower is the same or a larger one.",
    Direction.ACTION: "Off < Audit < Warn < Enforce, control by control, with the action of the whole policy.",
    Direction.DRIFT: "Evict is stricter than Report.",
    Direction.SCOPE: "Namespace is stricter than Models.",
    Direction.SELECTOR: (
        "The namespaces that are governed. Together, the local policies must govern every namespace that the national "
        "one governs."
    ),
    Direction.ACCELERATORS: (
        "Which AcceleratorProfiles are approved. Narrower approves no profile that the national policy doesn't approve."
    ),
    Direction.OTHER_RESOURCES: (
        "A list of what is allowed. Narrower is a subset without resources that only the national policy treats as accelerators."
    ),
    Direction.ACKNOWLEDGEMENTS: (
        "Narrower acknowledges no regime for which the national policy requires an acknowledgement and has none."
    ),
    Direction.PEERS: (
        "A list of pods and addresses; left out or empty, none. Narrower are peers of which each is part of a national "
        "one."
    ),
    Direction.ALIASES: "A list of what is allowed, each host name with its address. Narrower is a subset.",
    Direction.SAME: "Neither value is stricter. The local one must be the same, or left out as well.",
    Direction.NEUTRAL: "Admits and refuses nothing.",
    Direction.ITEM: "A field of an item in a list, which is compared with the list.",
}
"""What each direction means. docs/how-to/national-policies.md has it beside the fields."""

D = Direction
DIRECTIONS: dict[str, Direction] = {
    "namespaceSelector": D.SELECTOR,
    "namespaceSelector.matchLabels": D.ITEM,
    "namespaceSelector.matchExpressions": D.ITEM,
    "namespaceSelector.matchExpressions[].key": D.ITEM,
    "namespaceSelector.matchExpressions[].operator": D.ITEM,
    "namespaceSelector.matchExpressions[].values": D.ITEM,
    "action": D.ACTION,
    "controls": D.ACTION,
    # A policy is compared with the rules of its preset filled in.
    "preset": D.NEUTRAL,
    "preset.name": D.NEUTRAL,
    "preset.dataClass": D.NEUTRAL,
    # Which component applies the compiled policy. What that says is the same.
    "enforcement": D.NEUTRAL,
    "enforcement.source": D.NEUTRAL,
    "zones": D.PARTS,
    "zones.names": D.SUBSET,
    "zones.countries": D.SUBSET,
    "zones.operatorCountries": D.SUBSET,
    "zones.parentCountries": D.SUBSET,
    "zones.minimumDataClass": D.DATA_CLASS,
    "zones.minimumEvidence": D.EVIDENCE,
    "zones.attestations": D.PARTS,
    "zones.attestations.authorities": D.AUTHORITIES,
    "zones.attestations.authorities[].name": D.ITEM,
    "zones.attestations.authorities[].keys": D.ITEM,
    "zones.attestations.authorities[].revoked": D.ITEM,
    "zones.attestations.maxDuration": D.SHORTER,
    "accelerators": D.PARTS,
    "accelerators.profiles": D.ACCELERATORS,
    "accelerators.vendors": D.ACCELERATORS,
    "accelerators.vendorCountries": D.ACCELERATORS,
    "accelerators.families": D.ACCELERATORS,
    "accelerators.excludeRegimes": D.ACCELERATORS,
    "accelerators.otherResources": D.OTHER_RESOURCES,
    # Nodes may have these devices. Claims of them are refused all the same.
    "accelerators.otherDrivers": D.LISTED,
    "accelerators.componentUsers": D.LISTED,
    "accelerators.runtimeClassNames": D.LISTED,
    "accelerators.requireAcknowledgement": D.SUPERSET,
    "accelerators.acknowledgements": D.ACKNOWLEDGEMENTS,
    "accelerators.acknowledgements[].regime": D.ITEM,
    "accelerators.acknowledgements[].by": D.NEUTRAL,
    "accelerators.acknowledgements[].reference": D.NEUTRAL,
    "models": D.PARTS,
    "models.sources": D.PREFIXES,
    "models.endpoints": D.PARTS,
    "models.endpoints.s3": D.LISTED,
    "models.endpoints.hf": D.LISTED,
    "models.endpoints.ms": D.LISTED,
    "models.endpoints.proxies": D.LISTED,
    "models.signatures": D.PRESENT,
    "models.signatures.keys": D.LISTED_IN_SECTION,
    "models.signatures.certificates": D.LISTED_IN_SECTION,
    "models.requireDigest": D.TRUE,
    "models.licenses": D.LICENSES,
    "models.developers": D.SUBSET,
    "models.originCountries": D.SUBSET,
    "models.parentCountries": D.SUBSET,
    "models.excludeDevelopers": D.SUPERSET,
    "images": D.PARTS,
    "images.registries": D.PREFIXES,
    "images.requireDigest": D.TRUE,
    "engines": D.PARTS,
    "engines.requireOffline": D.TRUE,
    "engines.allowRemoteCode": D.FALSE,
    "engines.additionalArguments": D.LISTED,
    "engines.additionalVariables": D.LISTED,
    "storage": D.PRESENT,
    "storage.storageClasses": D.SUBSET,
    # Pods may have no others, with or without the section.
    "storage.volumeTypes": D.LISTED,
    "storage.drivers": D.SUBSET_IF_ANY,
    "storage.snapshotClasses": D.SUBSET,
    "storage.volumeAttributesClasses": D.LISTED_IN_SECTION,
    "storage.binders": D.LISTED_IN_SECTION,
    # Without the section models reach DNS alone, but guards let NetworkPolicies of others open egress to a part of the cluster.
    "egress": D.PRESENT,
    "egress.allow": D.PEERS,
    "egress.allow[].namespaceSelector": D.ITEM,
    "egress.allow[].podSelector": D.ITEM,
    "egress.allow[].ipBlock": D.ITEM,
    "egress.allow[].ports": D.ITEM,
    "egress.scope": D.SCOPE,
    "egress.allowKubernetesAPI": D.FALSE,
    "hosts": D.PARTS,
    "hosts.aliases": D.ALIASES,
    "hosts.aliases[].ip": D.ITEM,
    "hosts.aliases[].hostnames": D.ITEM,
    "hosts.nameservers": D.LISTED,
    "hosts.searches": D.LISTED,
    "hosts.probes": D.LISTED,
    "exposure": D.PARTS,
    "exposure.loadBalancerClasses": D.LISTED,
    "exposure.ingressClasses": D.LISTED,
    "exposure.gatewayClasses": D.LISTED,
    "exposure.domains": D.DOMAINS,
    "exposure.routeKinds": D.LISTED,
    "exposure.backendNamespaces": D.LISTED,
    "exposure.knativeControllers": D.LISTED,
    "exposure.knativeGateways": D.LISTED,
    "exposure.gatewayPeers": D.PEERS,
    "exposure.gatewayPeers[].namespaceSelector": D.ITEM,
    "exposure.gatewayPeers[].podSelector": D.ITEM,
    "exposure.gatewayPeers[].ipBlock": D.ITEM,
    "exposure.nodePorts": D.FALSE,
    "monitoring": D.PARTS,
    "monitoring.allow": D.PEERS,
    "monitoring.allow[].namespaceSelector": D.ITEM,
    "monitoring.allow[].podSelector": D.ITEM,
    "monitoring.allow[].ipBlock": D.ITEM,
    "monitoring.prometheus": D.PARTS,
    "monitoring.prometheus.address": D.SAME,
    "monitoring.prometheus.wakeQuery": D.NEUTRAL,
    "access": D.PRESENT,
    "access.users": D.LISTED_IN_SECTION,
    "access.groups": D.LISTED_IN_SECTION,
    "exemptions": D.PARTS,
    "exemptions.maxDuration": D.SHORTER,
    "drift": D.PARTS,
    "drift.action": D.DRIFT,
    "drift.gracePeriod": D.SHORTER,
    # More at a time is sooner over. What is held back runs where it may not.
    "drift.limit": D.LARGER,
    "drift.release": D.NEUTRAL,
    "schedulers": D.LISTED,
}
"""By field of the spec; ``[]`` stands for an item of a list."""
