"""Every case of the corpus gets the same verdict and the same words from the API server as from the offline evaluator.

The messages of one control are compared as a set (``tests/corpus/words.py``); which controls speak, and their order, exactly.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from daulat.catalog.kubernetes import Minor
from dev.cluster import EmbeddedCluster
from dev.cluster.components import APISERVER, CONTROLLERS, KWOK, SCHEDULER
from dev.cluster.kubernetes import versions
from dev.deployment import ROOT, kubectl
from tests.corpus.files import cases
from tests.corpus.scene import Scene, scenes
from tests.corpus.server import Server
from tests.corpus.stage import Stage, passed
from tests.corpus.words import same_words

from .world import remove, unique

VERSION = Minor.of(versions.find().minor)
# What this version doesn't take up, it can't judge.
SCENES = scenes([c for c in cases() if not c.asked.since or Minor.of(c.asked.since) <= VERSION])
# Until 1.36 an API server that compiles a policy's variables while it judges a request may end: kubernetes/kubernetes#135757.
COMPILES_WHILE_IT_READS, COMPILED_WHILE_IT_READ = Minor.of("1.36") > VERSION, "fatal error: concurrent map"
COUNTS_EVERY_COST, WRITES_EVERY_POLICY = Minor.of("1.32") <= VERSION, Minor.of("1.37") <= VERSION
AUDITED = "validation.policy.admission.k8s.io/validation_failure"
AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


@pytest.fixture(scope="module")
def audit_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the API server writes its audit log."""
    return tmp_path_factory.mktemp("audit") / "audit.log"


@pytest.fixture(scope="module", autouse=True)
def played(audit_log: Path) -> Iterator[None]:
    """Every case has been asked of an API server of the corpus's own, where nothing but the cases' policies is in force."""
    policy = audit_log.with_name("policy.yaml")
    policy.write_text(yaml.safe_dump(AUDIT))
    arguments = [f"--audit-policy-file={policy}", f"--audit-log-path={audit_log}", "--audit-log-mode=blocking"]
    cluster = EmbeddedCluster(unique("parity"), apiserver_args=arguments, say=lambda line: None)
    try:
        try:
            _play(cluster)
        except Exception:
            if not COMPILES_WHILE_IT_READS or COMPILED_WHILE_IT_READ not in cluster.why_ended(APISERVER):
                raise
            cluster.down()
            _play(cluster)
        yield
    finally:
        remove(cluster)


def _play(cluster: EmbeddedCluster) -> None:
    cluster.up()
    # Nothing may change, bind or clean up what a case is about while it is asked.
    for component in (KWOK, SCHEDULER, CONTROLLERS):
        cluster.stop(component, kill=True)
    admin = kubectl(cluster)
    admin.apply([yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("*.yaml"))])
    admin.run("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    Stage(Server(cluster.kubeconfig()), SCENES).play()


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.case.name)
def test_the_api_server_says_what_the_evaluator_says(scene: Scene) -> None:
    answer, refusals = scene.answer, {s.policy: s.verdict for s in scene.said if s.action == "Deny"}
    assert answer is not None
    if scene.case.invalid:
        # No policy is asked, for the API server itself refuses it.
        assert (answer.status in {400, 422}, answer.denied) == (True, None)
        assert scene.case.invalid in answer.text
        return
    if COUNTS_EVERY_COST:
        assert scene.case.costly <= (answer.denied is not None), "it isn't too costly any more"
    warned = {s.policy: s.verdict for s in scene.said if s.action == "Warn"}
    assert answer.warned.keys() == warned.keys()
    assert [p for p, message in answer.warned.items() if not same_words(message, warned[p])] == []
    if answer.denied is None:
        assert passed(answer), f"the API server answers something else: {answer.status} {answer.text}"
        assert refusals == {}, "the API server lets it through"
        return
    policy, message = answer.denied
    if scene.case.costly:
        assert "resulted in error" in message
        return
    assert policy in refusals, f"only the API server refuses: {policy}: {message}"
    if refusals[policy].error:
        assert "resulted in error" in message or "cost" in message
    else:
        assert same_words(message, refusals[policy]), (message, refusals[policy].message)


@pytest.mark.parametrize("scene", [s for s in SCENES if s.case.audited], ids=lambda scene: scene.case.name)
def test_the_api_server_writes_down_what_the_evaluator_writes_down(scene: Scene, audit_log: Path) -> None:
    assert scene.answer is not None
    events = [json.loads(line) for line in audit_log.read_text().splitlines() if scene.answer.audit_id in line]
    (failures,) = [json.loads(e["annotations"][AUDITED]) for e in events]
    # What is warned of is written down as well.
    expected = {s.policy: s.verdict for s in scene.said if s.action != "Deny"}
    written = {f["policy"]: f["message"] for f in failures}
    # Before 1.37 each policy's failure takes the place of the one before it in the annotation.
    assert written.keys() == expected.keys() if WRITES_EVERY_POLICY else written.keys() <= expected.keys()
    assert bool(written) is bool(expected)
    assert [p for p, message in written.items() if not same_words(message, expected[p])] == []
