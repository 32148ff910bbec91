"""Chips of record on a real API server: what drivers publish is compared with the record, and `daulat chips` says the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from daulat.cli.main import main
from dev.deployment import ROOT, poll

from .test_dra import resource_slice
from .world import Manifest, World, node_manifest, unique, zone_manifest

KIND = "acceleratorinventory"


@dataclass
class Hall:
    """A facility at home with two nodes, one abroad with one, and what their drivers publish."""

    world: World
    home: str
    abroad: str

    def node(self, name: str) -> str:
        """Return a node's name in the cluster."""
        return f"{self.home}-{name}"

    def chip(self, number: int) -> str:
        """Return a chip's UUID, which no other test has."""
        return f"GPU-{self.home}-{number}"

    def publish(self, name: str, *chips: int) -> None:
        """Let a node's driver publish these chips."""
        devices = [
            {"name": f"gpu-{n}", "attributes": {"type": {"string": "gpu"}, "uuid": {"string": self.chip(n)}}}
            for n in chips
        ]
        self.world.admin.apply([resource_slice(self.node(name), *devices)])

    def declare(self, name: str, *chips: int, gone_after: str = "72h") -> Manifest:
        """Declare chips that may stand at home, and return the inventory."""
        delivery = {
            "name": "DN-1",
            "permit": {"reference": "STA-1", "date": "2026-02-20"},
            "chips": [f"SN{n:05},{self.chip(n)}" for n in chips],
        }
        spec = {"zones": [self.home], "goneAfter": gone_after, "deliveries": [delivery]}
        head = {"apiVersion": "daulat.dev/v1alpha1", "kind": "AcceleratorInventory"}
        manifest = {**head, "metadata": {"name": name}, "spec": spec}
        self.world.admin.apply([manifest])
        return manifest

    def status(self, name: str) -> Manifest:
        """Return an inventory's status."""
        return dict(self.world.get(KIND, name)["status"])

    def events(self, name: str) -> list[str]:
        """Return the reasons of the Events of an inventory, each once."""
        items = self.world.get("events", namespace="default")["items"]
        return sorted({e["reason"] for e in items if e["involvedObject"]["name"] == name})

    def cli(self, *arguments: str) -> Result:
        """Run ``daulat chips`` on the cluster."""
        environment = {"KUBECONFIG": str(self.world.cluster.kubeconfig())}
        return CliRunner().invoke(main, ["chips", *arguments], env=environment, catch_exceptions=False)

    def listed(self) -> dict[str, Any]:
        """Return what ``daulat chips`` says of each chip here, by its UUID."""
        found = json.loads(self.cli("-o", "json").stdout)["chips"]
        return {row["ids"][0]: row for row in found}


@pytest.fixture(scope="module")
def hall(world: World) -> Iterator[Hall]:
    home = unique("hall")
    here = Hall(world, home, f"{home}-abroad")
    sites = {"a": here.home, "b": here.home, "c": here.abroad}
    world.admin.apply([zone_manifest(here.home), zone_manifest(here.abroad, country="SG")])
    nodes = [node_manifest(here.node(name), site) for name, site in sites.items()]
    world.admin.apply(nodes)
    world.admin.apply(nodes, "--subresource=status")
    yield here
    slices = [
        s["metadata"]["name"] for s in world.get("resourceslices")["items"] if s["metadata"]["name"].startswith(home)
    ]
    world.admin.run("delete", "resourceslice", *slices, "--ignore-not-found")
    world.admin.run("delete", KIND, "--all")
    world.admin.run("delete", "node", *map(here.node, sites))
    world.admin.run("delete", "sovereignzone", here.home, here.abroad)


def test_chips_are_accounted_for_moved_abroad_and_lost(hall: Hall) -> None:
    name = unique("chips")
    hall.publish("a", 1, 2)
    hall.publish("b", 3)
    hall.declare(name, 1, 2, 3, gone_after="8s")
    hall.world.wait_reason(KIND, name, "Accounted", "ChipsAccounted")
    assert hall.world.condition(KIND, name, "Ready")["status"] == "True"
    places = {place["node"]: place["chips"] for place in hall.status(name)["places"]}
    assert places == {hall.node("a"): ["SN00001", "SN00002"], hall.node("b"): ["SN00003"]}
    row = hall.listed()[hall.chip(3).upper()]
    assert (row["state"], row["node"], row["zone"], row["country"]) == ("Seen", hall.node("b"), hall.home, "MY")
    assert (row["permit"], row["permitDate"], row["problems"], bool(row["since"])) == ("STA-1", "2026-02-20", [], True)
    assert hall.world.metric(hall.world.operator, "daulat_chips", f'inventory="{name}",state="seen"') == 3

    # One goes abroad, and one comes that no inventory declares.
    hall.publish("c", 2)
    hall.publish("a", 1, 9)
    message = hall.world.wait_reason(KIND, name, "Accounted", "ChipsOutside")["message"]
    assert message == (
        f"1 of 3 chips: SN00002 is on node {hall.node('c')} in zone {hall.abroad} (SG); permit STA-1 allows zones {hall.home}"
    )
    found = hall.status(name)
    assert [(move["fromNode"], move["toNode"]) for move in found["moves"]] == [(hall.node("a"), hall.node("c"))]
    assert (found["outside"], found["undeclared"]) == (1, 1)
    poll("the Event of the move", lambda: "ChipsMoved" in hall.events(name))

    # It goes from there, too: within the time allowed it is missing, and then gone.
    hall.world.admin.run("delete", "resourceslice", f"{hall.node('c')}-gpu.nvidia.com-1")
    poll("the chip to be missing", lambda: hall.status(name)["missing"] == 1)
    assert hall.world.condition(KIND, name, "Accounted")["reason"] == "ChipsUndeclared"
    message = hall.world.wait_reason(KIND, name, "Accounted", "ChipsGone")["message"]
    assert f"nothing shows it; it was last on node {hall.node('c')} in zone {hall.abroad}" in message
    row = next(row for row in json.loads(hall.cli("-o", "json").stdout)["chips"] if row["chip"] == "SN00002")
    assert (row["state"], row["node"], bool(row["absentSince"])) == ("Gone", hall.node("c"), True)
    assert hall.cli().exit_code == 1
    poll("the Event of the loss", lambda: "ChipsLost" in hall.events(name))


def test_the_example_is_taken_and_what_was_never_seen_is_said(hall: Hall) -> None:
    (example,) = yaml.safe_load_all((ROOT / "examples" / "chips.yaml").read_text())
    hall.world.admin.apply([example])
    name = example["metadata"]["name"]
    condition = hall.world.wait_condition(KIND, name, "Accounted", "False")
    assert condition["reason"] == "ChipsGone"
    assert "was never seen, and delivery DN-2026-0417 was received on 2026-03-14" in condition["message"]


@pytest.mark.parametrize("chip", ["two words", "", "ab", "a,b,c,d", "x" * 65])
def test_the_api_server_refuses_what_is_no_id(hall: Hall, chip: str) -> None:
    manifest = {
        "apiVersion": "daulat.dev/v1alpha1",
        "kind": "AcceleratorInventory",
        "metadata": {"name": "bad"},
        "spec": {"deliveries": [{"name": "d", "chips": [chip]}]},
    }
    assert "spec.deliveries[0].chips[0]" in hall.world.refusal(manifest, "--dry-run=server")
