"""An upgrade by Helm alone: the CRDs come along, no pod rolls, and what a policy forbids is refused all the time."""

from __future__ import annotations

from pathlib import Path

import pytest

from daulat.api import crd
from daulat.facts.definition import parse_definition
from dev.cluster import ClusterError
from dev.deployment import NAMESPACE as OPERATOR_NAMESPACE

from .release import HEAD, shipped, uids
from .world import Site, installed

SCHEMA = "daulat.dev/schema"


def test_one_command_upgrades_crds_and_operator_under_a_model_that_serves(tmp_path: Path) -> None:
    with installed(shipped("0.1.0", tmp_path), tmp_path) as site:
        pods = site.pods()
        assert len(pods) == 1
        with site.prober() as prober:
            # --reuse-values would leave out what this release's values have more.
            with pytest.raises(ClusterError, match="use --reset-then-reuse-values in the place of --reuse-values"):
                site.helm("upgrade", "daulat", str(HEAD.chart), "--reuse-values")
            _, hooks = site.helm("upgrade", "daulat", str(HEAD.chart), "--reset-then-reuse-values")
            assert [h.splitlines()[0] for h in hooks] == ["daulat-crds crds apply: 0"]
            assert crds_are_current(site)
            # The account that may change CRDs is gone with its Job.
            for what in ("clusterroles", "clusterrolebindings"):
                assert "daulat-crds" not in uids(site.cluster, what)
            for what in ("jobs", "serviceaccounts"):
                assert "daulat-crds" not in uids(site.cluster, what, OPERATOR_NAMESPACE)
            site.run(HEAD)
            site.change("30%")
            site.serves()
            _, hooks = site.helm("test", "daulat")
            assert "smoke-test: 0" in hooks[0]
            assert hooks[0].count("\nok: ") == 3
        assert site.pods() == pods
        assert set(prober.answers) == {"refused"}, prober.answers


def crds_are_current(site: Site) -> bool:
    """Whether the CRDs are this release's, and objects are stored in the version that there is."""
    live = {m["metadata"]["name"]: site.world.get("crd", m["metadata"]["name"]) for m in crd.manifests()}
    return all(
        live[m["metadata"]["name"]]["metadata"]["annotations"][SCHEMA] == m["metadata"]["annotations"][SCHEMA]
        and live[m["metadata"]["name"]]["status"]["storedVersions"] == ["v1alpha1"]
        and not parse_definition(m["spec"]["names"]["kind"], live[m["metadata"]["name"]]).missing
        for m in crd.manifests()
    )
