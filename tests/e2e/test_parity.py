"""Every control's examples get the same verdict and the same words from the API server as from the offline evaluator."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.admission.policy import compile_policy
from daulat.catalog import accelerators
from daulat.cel.evaluator import evaluate_all
from daulat.controls import library
from daulat.controls.library import Control, Example
from dev.deployment import poll
from tests.requests import EXAMPLES, IDS, manifests_of, policy_of, request_of

from .world import World, namespace_manifest, unique

POLICY = [(c, e) for c, e in EXAMPLES if library.guards()[c.guard].scope == "policy" and c.guard != "bindings"]
POLICY_IDS = [i for i, (c, e) in zip(IDS, EXAMPLES, strict=True) if (c, e) in POLICY]


@pytest.fixture(scope="module")
def namespace(world: World) -> str:
    """A namespace under the very policy that the examples are written for, compiled and applied as a GitOps tool would."""
    name = unique("parity")
    spec = policy_of(POLICY[0][1]).model_copy(
        update={
            "namespace_selector": policy_of(POLICY[0][1]).namespace_selector.model_validate(
                {"matchLabels": {"kubernetes.io/metadata.name": name}}
            )
        }
    )
    world.admin.apply([namespace_manifest(name)])
    manifests = compile_policy("confidential", spec, accelerators.shipped()).manifests
    # Without Daulat's labels these are nobody's, so the operator leaves them alone.
    for manifest in manifests:
        manifest["metadata"].pop("labels")
    world.admin.apply(manifests)
    probe = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "probe", "namespace": name},
        "spec": {"nodeName": "x", "containers": [{"name": "c", "image": "x"}]},
    }

    def live() -> bool:
        answer = world.refusal(probe, "--dry-run=server")
        # Refused by the pods' guard, and pinned: so the mutating policy is live as well.
        return "USE-04 " in answer and "USE-01 " not in answer

    poll("the policy to be live", live)
    return name


@pytest.mark.parametrize(("control", "example"), POLICY, ids=POLICY_IDS)
def test_the_api_server_says_what_the_evaluator_says(
    world: World, namespace: str, control: Control, example: Example
) -> None:
    if example.setup:
        world.admin.apply(list(example.setup))
    request = request_of(control, example)
    manifest: dict[str, Any] = {**request.object, "metadata": {**request.object["metadata"], "namespace": namespace}}
    told = _told(world, manifest)
    expected = " ".join(v.message for v in evaluate_all(manifests_of(control, example), request))
    assert told == ("" if example.pinned else expected)


def _told(world: World, manifest: dict[str, Any]) -> str:
    answer = world.refusal(manifest, "--dry-run=server")
    _, denied, message = answer.partition(" denied request: ")
    assert not answer or denied, f"refused for another reason: {answer}"
    return message
