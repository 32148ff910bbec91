"""A node takes governed pods while an authority attests where it stands, and from the moment on at which that ends, no new ones."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from daulat.api.names import UNDECIDED_TAINT, eligible_label
from daulat.cli.attest.command import attest
from daulat.signing.keys import public_pem
from dev.deployment import poll

from .world import Manifest, World, node_manifest, pod_manifest, unique, zone_manifest

UUID = "4c4c4544-0051-3510-8052-b4c04f4a3132"
WRITE = {"apiGroups": ["daulat.dev"], "resources": ["nodeattestations"], "verbs": ["get", "patch", "create", "certify"]}


class Authority:
    """Who attests nodes: a key, and the commands of ``daulat attest``."""

    def __init__(self, folder: Path, name: str) -> None:
        key = Ed25519PrivateKey.generate()
        self.public, self._key, self._folder = public_pem(key), folder / f"{name}.pem", folder
        self._key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    def attest(self, world: World, node: str, zone: str, serial: str, seconds: float) -> Manifest:
        """Return the NodeAttestation of a node as the cluster shows it."""
        objects, statement = self._folder / "objects.json", self._folder / "statement.json"
        items = [world.get("node", node), world.get("szone", zone)]
        objects.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        named = ("--authority", "my-inspectorate", "--serial-number", serial)
        window = ("--not-before", _stamp(time.time() - 60), "--not-after", _stamp(time.time() + seconds))
        _run("make", objects, *named, *window, "--output-file", statement)
        found: Manifest = yaml.safe_load(_run("sign", statement, "--key", self._key, "--name", f"{node}-{serial}"))
        return found

    def trusted(self, *revoked: str) -> dict[str, Any]:
        """Return a policy's trust in it."""
        keys = [{"publicKey": self.public}]
        return {"authorities": [{"name": "my-inspectorate", "keys": keys, "revoked": list(revoked)}]}


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _run(*arguments: object) -> str:
    result = CliRunner().invoke(attest, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def place(world: World) -> Iterator[tuple[str, str]]:
    """A zone with one node that reports a system UUID."""
    zone, node = unique("hall"), unique("node")
    manifest = node_manifest(node, site=zone)
    world.admin.apply([zone_manifest(zone), manifest])
    world.admin.apply([manifest], "--subresource=status")
    poll("the node to be ready", lambda: "True" in [c["status"] for c in _conditions(world, node)])
    body = json.dumps({"status": {"nodeInfo": {"systemUUID": UUID.upper()}}})
    world.admin.run("patch", "node", node, "--subresource=status", f"--patch={body}")
    try:
        yield zone, node
    finally:
        world.admin.run("delete", "node", node, "--ignore-not-found")
        world.admin.run("delete", "szone", zone, "--ignore-not-found")
        names = [f"{node}-{serial}" for serial in ("1", "2", "forged")]
        world.admin.run("delete", "nattest", *names, "--ignore-not-found")


def _conditions(world: World, node: str) -> list[dict[str, str]]:
    conditions = world.get("node", node).get("status", {}).get("conditions", [])
    return [c for c in conditions if c["type"] == "Ready"]


def test_a_node_is_eligible_while_it_is_attested(world: World, place: tuple[str, str], tmp_path: Path) -> None:
    zone, node = place
    authority, forger = Authority(tmp_path, "authority"), Authority(tmp_path, "forger")
    zones = {"names": [zone], "minimumEvidence": "attested", "attestations": authority.trusted()}
    drift = {"gracePeriod": "1s", "limit": "100%"}
    with world.governed(zones=zones, drift=drift) as (policy, namespace):
        label = eligible_label(policy)

        def eligible() -> bool:
            return bool(world.get("node", node)["metadata"]["labels"].get(label) == "eligible")

        def closed() -> bool:
            return any(t["key"] == UNDECIDED_TAINT for t in world.get("node", node)["spec"].get("taints", ()))

        def on_node(name: str) -> bool:
            return bool(world.get("pod", name, namespace=namespace)["spec"].get("nodeName") == node)

        # Who may write NodeAttestations makes no difference.
        world.admin.apply([pod_manifest("main", namespace)])
        forged = forger.attest(world, node, zone, "forged", 600)
        world.grant("stranger-to-authorities", WRITE).apply([forged])
        world.wait_reason("nattest", f"{node}-forged", "Accepted", "NotTrusted")
        assert not eligible()
        explained = world.condition("spolicy", policy, "Enforced")
        assert explained["status"] == "True"

        ends = time.time() + 20
        world.admin.apply([authority.attest(world, node, zone, "1", 20)])
        world.wait_condition("nattest", f"{node}-1", "Accepted", "True")
        poll("the pod to be on the node", lambda: on_node("main"))
        assert time.time() < ends, "the statement ended before anything was seen of it"

        # At that moment, and no resync later, it is closed to new pods; what runs stays.
        poll("the node to be closed", closed)
        world.wait_reason("nattest", f"{node}-1", "Accepted", "Expired")
        assert eligible()
        assert on_node("main")
        assert "deletionTimestamp" not in world.get("pod", "main", namespace=namespace)["metadata"]

        world.admin.apply([authority.attest(world, node, zone, "2", 600)])
        poll("the node to be open again", lambda: not closed())
        assert on_node("main")

        # Revoking is a decision: the pod goes, and the label with it.
        revoked = json.dumps({"spec": {"zones": {"attestations": authority.trusted("1", "2")}}})
        world.admin.run("patch", "spolicy", policy, "--type=merge", f"--patch={revoked}")
        poll("the label to be taken away", lambda: not eligible())
        poll("the pod to be evicted", lambda: not world.exists("pod", "main", namespace))
        world.wait_reason("nattest", f"{node}-2", "Accepted", "Revoked")
