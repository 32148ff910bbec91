"""A workload is changed beside the template of its pods: only where it is still the one that was seen."""

from __future__ import annotations

import pytest

from daulat.api.names import INPUTS_ANNOTATION
from daulat.kube.ref import Ref
from daulat.reconcile.result import Adjust
from tests.unit.world import World, child

from .cluster import Cluster, serve
from .virtual import run

pytestmark = pytest.mark.usefixtures("virtual_time")

REF = Ref("Deployment", "treasury", "deepseek")
TEMPLATE = {"spec": {"containers": [{"name": "engine", "image": "former"}]}}


@pytest.mark.parametrize("same", [True, False], ids=["the one that was seen", "another one of its name"])
def test_the_replicas_and_a_note_change_and_the_template_stays(same: bool) -> None:
    async def scenario() -> None:
        server = serve(World(models=[]))
        spec = {"replicas": 1, "template": TEMPLATE}
        made = server.put("Deployment", child("Deployment", "deepseek", "treasury", model="deepseek", spec=spec))
        cluster = Cluster(server)
        await cluster.list()
        uid = made["metadata"]["uid"] if same else "uid-of-another"
        await cluster.leader._executor.run(Adjust(REF, uid, 3, {INPUTS_ANNOTATION: "0123456789ab"}))
        live = server.object(REF)
        assert live["spec"] == {"replicas": 3 if same else 1, "template": TEMPLATE}
        assert (live["metadata"].get("annotations") or {}).get(INPUTS_ANNOTATION) == ("0123456789ab" if same else None)
        assert cluster.store.snapshot().children[REF].wanted == live["spec"]["replicas"]

    run(scenario())
