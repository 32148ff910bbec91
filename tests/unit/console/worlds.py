"""Clusters for the pages, and the pages as a browser reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from daulat.console.further import NOTHING, Further
from daulat.console.outlines import Outlines, shipped
from daulat.console.site import Site
from daulat.console.whatif import Answer, Choice, State, What, WhatIf
from daulat.doctor.finding import Finding, Report, Severity, Unchecked
from daulat.simulate.admission import Refusal
from daulat.simulate.compare import Eviction, ExemptionChange, ModelChange, Outcome, PolicyChange, WaitingPod
from daulat.simulate.edits import Edit
from daulat.simulate.standing import ModelStanding, Place, PolicyStanding
from tests.unit.status.worlds import NOW, ago, broken, facts, fine, ready, serving, told, with_status
from tests.unit.world import Raw, World, ascend, exemption, h20, inventory, model, policy, zone

VOID = {"meta", "link", "br"}
PROVED = ("Enforced", "True", "CanaryRefused", "a violating pod was refused")


def busy() -> World:
    """Return a cluster with several countries, a policy that drifts, and a model without a place."""
    world = fine()
    foreign = {"legalName": "Example Pte Ltd", "country": "SG", "ultimateParentCountry": "US"}
    world.zones += [
        with_status(
            zone("johor-1", facility={"name": "Johor DC 3", "unLocode": "MYJHB"}),
            told(broken("NodesInConflict", "1 node is Unknown"), nodes=2),
        ),
        with_status(zone("singapore-1", country="SG", operator=foreign), told(ready())),
    ]
    world.nodes += [ascend("j-1", "johor-1"), h20("s-1", "singapore-1", labels={"x": "y"}), h20("lost", "nowhere")]
    status = told(
        broken("BrakeHeld", "3 evictions are held"),
        PROVED,
        namespaces=60,
        governedNamespaces=["audit", "treasury"],
        eligibleNodes=3,
        revision="4f3c2a",
        pin="MutatingAdmissionPolicy",
        controlsByAction={"enforce": "USE-04 (pods), USE-07 (models, pods)", "warn": "SUP-01 (pods)"},
        accelerators={"count": 1, "profiles": ["huawei-ascend-910b"]},
        drift=[
            {"node": "s-1", "since": ago(300), "reason": "zone singapore-1 is outside MY", "pods": 3, "sample": ["t/a"]}
        ],
        undecided=[{"reason": "zone x can't be read", "nodes": 9, "pods": 4, "sample": ["n-1"]}],
        brake={"limit": 1, "evicted": 1, "held": 3, "batch": "2026-06-01T11:55:00Z"},
    )
    world.policies.append(with_status(policy("restricted", storage={"storageClasses": ["encrypted"]}), status))
    rejected = [{"reason": "zone singapore-1 is outside MY", "count": 12, "sample": ["s-1"]}]
    nowhere = told(broken("NoPlacement", "no node fits"), placement={"rejected": rejected})
    world.models.append(model("llama", "treasury", nowhere))
    placement = {
        "zone": "johor-1",
        "accelerator": "huawei-ascend-910b",
        "nodes": ["j-1"],
        "policies": [{"name": "restricted", "generation": 1}, {"name": "deleted", "generation": 1}],
        "rejected": rejected,
    }
    placed = told(ready(), ("Placed", "True", "Placed", ""), since=7200, placement=placement, drift={"since": ago(60)})
    world.models.append(with_status(serving("qwen", "audit"), placed))
    active = ("Active", "True", "Active", "")
    world.exemptions = [
        with_status(exemption("long", policy="restricted"), told(active)),
        with_status(exemption("short", expiresAt="2026-06-03T12:00:00Z"), told(active)),
    ]
    world.inventories = [tracked()]
    return world


def named(name: str) -> Raw:
    """Return a model of the busy cluster."""
    return next(model for model in busy().models if model["metadata"]["name"] == name)


def tracked() -> Raw:
    """Return an inventory with a chip on a node, one that is missing, one that is gone, and one that has moved."""
    place = {"zone": "johor-1", "since": ago(9000)}
    status = told(
        broken("ChipsGone", "1 chip is gone"),
        declared=4,
        seen=2,
        missing=1,
        gone=1,
        outside=0,
        undeclared=3,
        problems=[{"chip": "SN-4", "reason": "Gone", "message": "SN-4 hasn't been seen for 80h"}],
        moves=[
            {
                "chip": "SN-2",
                "fromNode": "s-1",
                "fromZone": "singapore-1",
                "toNode": "j-1",
                "toZone": "johor-1",
                "at": ago(600),
            }
        ],
        places=[
            {"node": "j-1", **place, "chips": ["SN-1", "SN-2"]},
            {"node": "j-2", **place, "absentSince": ago(300), "chips": ["SN-3"]},
            {"node": "j-2", **place, "absentSince": ago(400000), "gone": True, "chips": ["SN-4"]},
        ],
    )
    return with_status(inventory("delivered", "SN-1", "SN-2", "SN-3", "SN-4"), status)


def weakened(policy: str = "restricted", text: str = "it selects namespaces by team") -> Report:
    """Return doctor's report with a finding about a policy, one about something else, and a check that wasn't made."""
    found = Finding(
        "DOC-20", "Open policies", Severity.MEDIUM, text, (f"SovereigntyPolicy {policy}",), "anybody may", "Relabel."
    )
    other = Finding("DOC-01", "Administrators", Severity.HIGH, f"User {text}", ("User x",), "they may all", "Revoke.")
    unchecked = Unchecked("DOC-34", "Pod security", Severity.LOW, f"list pods ({text})", True)
    return Report("v1.37.2", (other, found), (unchecked,), ("DOC-13",))


def changing(text: str = "qwen", *, worse: bool = True) -> Outcome:
    """Return an outcome with something in each of its parts, and the text wherever the cluster brings any."""
    moved = ModelStanding(Place.RUNS, "johor-1", text)
    refused = ModelStanding(Place.REFUSED, reason=text, message=text)
    policy = PolicyStanding(2, 4, 0, "", {})
    upheld = PolicyStanding(2, 1, 3, text, {"Upheld": (text, text)})
    return Outcome(
        changes=1,
        converged=False,
        seconds=65,
        passes=9,
        policies=(
            PolicyChange("restricted", policy, upheld, worse),
            PolicyChange(text, policy, None, worse),
            PolicyChange("confidential", upheld, policy, False),
        ),
        models=(
            ModelChange("audit", "qwen", "moved", ModelStanding(Place.RUNS, "cyberjaya-1", text), moved, worse),
            ModelChange(text, text, "refused", moved, refused, worse),
            ModelChange("audit", "new", "placed", None, moved, False),
        ),
        evictions=(
            Eviction(("restricted", text), text, 12, 3, 60, 300, (f"{text}/{text}",), (f"audit/{text}",)),
            Eviction((), "its node is lost", 1, 1, 0, 0, ("audit/lone",), ()),
        ),
        waiting=(WaitingPod(text, text, text),),
        refused=(Refusal("restricted", (text, "STO-07 spec"), 7, (f"{text}/{text}",)),),
        exemptions=(ExemptionChange(text, False, text, text), ExemptionChange("new", True, "Active", "")),
        under_way=2,
    )


def answered(text: str = "qwen") -> WhatIf:
    """Return what was worked out of three changes: one does much, one nothing, and one took too long."""
    edit = Edit("restricted", ("accelerators", "profiles"), (text,), ("nvidia-h20",))
    nothing = Outcome(1, True, 0, 1, (), (), (), (), (), (), 0)
    found = {
        Choice(What.ZONE, "cyberjaya-1"): Answer(State.DONE, NOW, changing(text)),
        Choice(What.ZONE, "johor-1"): Answer(State.LONG, NOW, why=text),
        Choice(What.ZONE, f"z{text}"): Answer(State.DONE, NOW, nothing),
        Choice(What.PROFILE, "nvidia-h20"): Answer(State.DONE, NOW, nothing, (edit,)),
    }
    return WhatIf(answers={choice.path: answer for choice, answer in found.items()})


def site(
    world: World,
    unread: Mapping[str, str] | None = None,
    outlines: Outlines | None = None,
    further: Further = NOTHING,
    **more: Any,
) -> Site:
    """Return the pages of a cluster."""
    return Site(facts(world, unread, **more), outlines or shipped(), further=further)


@dataclass
class Seen(HTMLParser):
    """A page as it was parsed: its elements, its text, and what isn't well-formed."""

    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        last = self._open.pop() if self._open else ""
        if last != tag:
            self.faults.append(f"</{tag}> closes <{last}>")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        """What can be read."""
        return " ".join(" ".join(self.texts).split())

    def values(self, attribute: str) -> list[str]:
        """Return the values of an attribute."""
        return [str(attributes[attribute]) for _, attributes in self.elements if attribute in attributes]


def parsed(page: str) -> Seen:
    """Return a page as it is parsed."""
    seen = Seen()
    seen.feed(page)
    seen.close()
    seen.faults += [f"<{tag}> isn't closed" for tag in seen._open]
    return seen


def page(of: Site, path: str) -> Seen:
    """Return a page that must be there."""
    found = of.render(path)
    assert found is not None, path
    return parsed(found)
