"""What the example's site has: zones, nodes, a policy, a model and its runs, with uids that are the same each time."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from daulat.evidence.personal import Person
from daulat.evidence.record import Record
from daulat.evidence.records import (
    ExemptionRecorded,
    ModelRecorded,
    NodeRecorded,
    PolicyRecorded,
    RunStarted,
    ZoneRecorded,
)
from daulat.evidence.subject import Present, Subject
from daulat.ledger.entry import canonical, digest
from dev.evidence.site import seed

ALICE, BOB, CAROL = (Person(name, seed(name)).pseudonym for name in ("alice", "bob", "carol"))
COUNTRIES = ["MY"]
POLICY = {
    "namespaceSelector": {"matchLabels": {"daulat.dev/data-class": "confidential"}},
    "action": "Enforce",
    "zones": {
        "countries": COUNTRIES,
        "operatorCountries": COUNTRIES,
        "parentCountries": COUNTRIES,
        "minimumDataClass": "confidential",
    },
    "accelerators": {"profiles": ["huawei-ascend-910b", "nvidia-h20"]},
    "models": {"sources": ["oci://registry.example.my/"], "requireDigest": True},
    "images": {"registries": ["registry.example.my/"], "requireDigest": True},
    "engines": {"allowRemoteCode": False, "requireOffline": True},
}


def uid(name: str) -> str:
    """Return a uid that is the same each time."""
    text = sha256(name.encode()).hexdigest()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:32]}"


def image(name: str) -> str:
    """Return a digest that is the same each time."""
    return digest(name.encode())


def _kept(record: type[Record], kind: str, facts: Mapping[str, object], **said: object) -> Present:
    data = canonical(facts)
    made = record.model_validate({**said, "uid": uid(f"{kind}/{said['name']}"), "spec": digest(data)})
    return Present(Subject(kind, uid(f"{kind}/{said['name']}")), made, facts=(data,))


def zone(name: str, country: str, operator: str, operator_country: str) -> Present:
    """Return a zone of record."""
    facility = f"{name.title()} DC"
    facts = {"country": country, "facility": {"name": facility}, "operator": {"legalName": operator}}
    said = {"name": name, "generation": 1, "country": country, "facility": facility, "operator": operator}
    countries = {"operatorCountry": operator_country, "parentCountry": operator_country}
    return _kept(ZoneRecorded, "SovereignZone", facts, **said, **countries, maximumDataClass="confidential")


def node(name: str, in_zone: str, boot: int = 1) -> Present:
    """Return a node, after so many boots."""
    record = NodeRecorded(
        name=name,
        uid=uid(f"Node/{name}"),
        systemUUID=uid(f"machine/{name}").upper(),
        bootID=uid(f"boot/{name}/{boot}"),
        kubelet="v1.34.2",
        runtime="containerd://2.2.0",
        labels={"site": in_zone} if in_zone else {},
        zone=in_zone,
        no_zone="" if in_zone else "no zone selects the node",
    )
    return Present(Subject("Node", record.uid), record)


def policy(name: str, facts: Mapping[str, object], generation: int, enforced: str) -> Present:
    """Return a policy."""
    conditions = {"Enforced": enforced, "Ready": enforced, "Upheld": "True/Upheld"}
    said = {"name": name, "generation": generation, "conditions": conditions, "namespaces": 1}
    return _kept(PolicyRecorded, "SovereigntyPolicy", facts, **said, revision=image(f"{name}/{generation}")[7:19])


def exemption(state: str) -> Present:
    """Return the exemption that a debugging session needed."""
    record = ExemptionRecorded(
        name="trace-latency",
        uid=uid("trace-latency"),
        generation=1,
        policy="confidential",
        controls=["MGD-06"],
        namespaces=["treasury"],
        expires="2027-01-15T16:00:00Z",
        state=state,
        requested_by=ALICE,
        approved_by=[BOB, CAROL],
    )
    return Present(Subject("SovereigntyExemption", record.uid), record)


def model(placed: str) -> Present:
    """Return the model that is served."""
    record = ModelRecorded(
        namespace="treasury",
        name="deepseek-r1",
        uid=uid("model"),
        generation=1,
        model="deepseek-r1-distill-qwen-32b",
        uri="oci://registry.example.my/models/deepseek-r1-distill-qwen-32b",
        weights=image("weights"),
        zone=placed,
        accelerator="huawei-ascend-910b",
        conditions={"Placed": "True/Placed", "PolicyCompliant": "True/Compliant"},
        spec=image("model's spec"),
    )
    return Present(Subject("SovereignModel", record.uid), record)


def run(pod: str, on: str, in_zone: str, country: str, started: str, *, loaded: bool = True) -> Present:
    """Return a run of the model on a node."""
    foreign = {"SG": "SG", "MY": "MY"}.get(country, "")
    record = RunStarted(
        namespace="treasury",
        pod=pod,
        uid=uid(pod),
        node=on,
        zone=in_zone,
        no_zone="" if in_zone else "no zone selects the node",
        country=country,
        operator_country=foreign,
        parent_country=foreign,
        model="deepseek-r1",
        weights=image("weights"),
        loaded=image("weights") if loaded else "",
        started=started,
        containers={"engine": image("engine"), **({"weights": image("loader")} if loaded else {})},
        accelerators={"huawei.com/Ascend910": 4},
        data_class="confidential",
    )
    refers: dict[str, Subject | tuple[Subject, ...]] = {
        "nodeEntry": Subject("Node", uid(f"Node/{on}")),
        "modelEntry": Subject("SovereignModel", uid("model")),
        "policyEntries": (Subject("SovereigntyPolicy", uid("SovereigntyPolicy/confidential")),),
    }
    if in_zone:
        refers["zoneEntry"] = Subject("SovereignZone", uid(f"SovereignZone/{in_zone}"))
    return Present(Subject("Run", record.uid), record, refers)
