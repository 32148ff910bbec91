"""From v0.1.0 to this release and back, out and in again: no pod rolls, and no moment is without enforcement."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from daulat.cli.crds.command import crds
from daulat.cli.uninstall.command import uninstall
from dev.cluster import ClusterError
from dev.deployment import poll

from .release import HEAD, VALUES, shipped, uids
from .test_upgrade import crds_are_current
from .world import NAMESPACE, POLICY, Site, installed


def test_install_upgrade_rollback_uninstall_and_reinstall(tmp_path: Path) -> None:
    former = shipped("0.1.0", tmp_path)
    with installed(former, tmp_path) as site:
        pods, models = site.pods(), uids(site.cluster, "smodel", NAMESPACE)
        assert len(pods) == 1
        with site.prober() as prober:
            site.helm("upgrade", "daulat", str(HEAD.chart), *VALUES)
            site.run(HEAD)
            site.change("30%")
            site.serves()
            assert site.pods() == pods
            # What is upgraded already has no hook.
            assert site.helm("upgrade", "daulat", str(HEAD.chart), *VALUES)[1] == []

            # Back: the former operator works with the newer CRDs, which stay.
            site.helm("rollback", "daulat", "1")
            site.run(former)
            site.change("20%")
            site.serves()
            assert site.pods() == pods
            assert crds_are_current(site)
            _a_newer_object_keeps_what_is_in_force(site)
            assert site.pods() == pods

            # Out: what is enforced stays without chart and operator, and so do the objects.
            site.world.operator.stop()
            site.helm("uninstall", "daulat")
            assert site.pods() == pods
            assert uids(site.cluster, "smodel", NAMESPACE) == models

            # In again, as this release: it takes over what it finds.
            # Helm 4 would apply its CRDs over those that are there, and these have a field more.
            with pytest.raises(ClusterError, match="conflict occurred while applying object"):
                site.helm("install", "daulat", str(HEAD.chart), *VALUES)
            site.helm("install", "daulat", str(HEAD.chart), "--skip-crds", *VALUES)
            site.run(HEAD)
            site.change("10%")
            site.serves()
            assert site.pods() == pods
            assert uids(site.cluster, "smodel", NAMESPACE) == models
        assert prober.answers["refused"] > 100
        assert set(prober.answers) == {"refused"}, prober.answers

        # Out for good, while a namespace of models is deleted: neither waits for the other.
        site.world.operator.stop()
        site.world.admin.run("delete", "namespace", NAMESPACE, "--wait=false")
        site.helm("uninstall", "daulat")
        kubeconfig = {"KUBECONFIG": str(site.cluster.kubeconfig())}
        done = CliRunner().invoke(uninstall, ["--yes", "--models", "--weights", "--crds"], env=kubeconfig)
        assert done.exit_code == 0, done.output
        poll("the namespace to be gone", lambda: not site.world.exists("namespace", NAMESPACE))
        for what in ("validatingadmissionpolicies", "validatingadmissionpolicybindings", "crd"):
            assert [n for n in uids(site.cluster, what) if n.endswith(".daulat.dev")] == []
        # The cluster works, for everybody.
        site.world.admin.run("create", "namespace", NAMESPACE)
        poll("an account", lambda: site.world.exists("serviceaccount", "default", NAMESPACE))


def _a_newer_object_keeps_what_is_in_force(site: Site) -> None:
    """A field of a release to come, which the former operator can't read: it stays, and so does what is in force."""
    admin, name = site.world.admin, "sovereigntypolicies.daulat.dev"
    where = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/later"
    field = json.dumps([{"op": "add", "path": where, "value": {"type": "string"}}])
    admin.run("patch", "crd", name, "--type=json", f"--patch={field}")
    poll("the field to be served", lambda: _set_later(site, '"x"') == "x")
    site.world.wait_reason("sovereigntypolicy", POLICY, "Ready", "Invalid")
    assert site.world.get("sovereigntypolicy", POLICY)["spec"]["later"] == "x"
    # This release's CRDs aren't put over those of a later one.
    said = CliRunner().invoke(crds, ["apply"], env={"KUBECONFIG": str(site.cluster.kubeconfig())})
    assert (said.exit_code, f"keep {name}: it is of a newer release, with spec.later" in said.output) == (0, True), (
        said.output
    )
    assert site.world.get("sovereigntypolicy", POLICY)["spec"]["later"] == "x"
    _set_later(site, "null")
    poll("the policy to be proved", site.proved)
    site.serves()


def _set_later(site: Site, value: str) -> str:
    patch = f'--patch={{"spec": {{"later": {value}}}}}'
    site.world.admin.run("patch", "spolicy", POLICY, "--type=merge", patch)
    return str(site.world.get("sovereigntypolicy", POLICY)["spec"].get("later", ""))
