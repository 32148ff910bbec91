"""Ways out of a policy: by its namespace, its exemptions, its objects, by timing and by size."""

from __future__ import annotations

from typing import Any

from dev.deployment import poll
from tests.e2e.world import Manifest, admission, unique
from tests.unit.attestation.statements import attestation

from .attack import ADMISSION, Attacker, Ground, annotated, labelled, refused, respecified, rule, taken

GROUP = "/apis/daulat.dev/v1alpha1"
OPERATOR = "system:serviceaccount:daulat-system:daulat"
TOO_MUCH = "budget|cost|too large|fails to evaluate"
"""What the API server says of an object that is too much to evaluate."""


def test_row_20_labels_that_take_a_namespace_out(ground: Ground) -> None:
    mover = ground.with_rights("mover", rule("", "namespaces namespaces/status namespaces/finalize", "get update"))
    path = f"/api/v1/namespaces/{ground.namespace}"
    for subresource in ("", "status", "finalize"):
        gone = mover.change(path, lambda n: n["metadata"]["labels"].pop("daulat.dev/scope"), subresource)
        if gone.status < 300:
            # That endpoint writes no labels.
            assert ground.server.must("GET", path)["metadata"]["labels"]["daulat.dev/scope"] == ground.policy
        else:
            refused(gone, "MGD-13 ")
    refused(
        ground.tenant.change(path, lambda n: n["metadata"]["labels"].pop("daulat.dev/scope")),
        "MGD-13 ",
        "cannot update",
    )
    # Labels by which other tools leave a namespace alone are nothing to a policy.
    outs = {"admission.gatekeeper.sh/ignore": "true", "control-plane": "true", "policy.kyverno.io/exclude": "true"}
    ground.world.admin.run("label", "namespace", ground.namespace, *(f"{k}={v}" for k, v in outs.items()))
    refused(ground.tenant.create(ground.pods, ground.pod(nodeName="x")), "USE-04 ")


def test_row_21_labels_that_take_a_pod_out(ground: Ground) -> None:
    pod = ground.pod(nodeName="sg-gpu-1")
    names = ["daulat.dev/exempt", "daulat.dev/model", "app.kubernetes.io/managed-by", "policies.kyverno.io/skip"]
    pod["metadata"]["labels"] = dict.fromkeys(names, "daulat")
    refused(ground.tenant.create(ground.pods, pod), "USE-04 ", "MGD-17 ")
    for kind, field in (("policies", "matchConstraints"), ("policybindings", "matchResources")):
        for action in admission():
            for manifest in ground.server.must("GET", f"{ADMISSION}/{action}admission{kind}")["items"]:
                if manifest["metadata"]["name"].endswith(".daulat.dev"):
                    assert not manifest["spec"].get(field, {}).get("objectSelector"), manifest["metadata"]["name"]


def exemption(ground: Ground, asker: str, **spec: Any) -> Manifest:
    body = {
        "policy": ground.policy,
        "namespaces": [ground.namespace],
        "controls": ["USE-04"],
        "reason": "CHG-1, for a while",
    }
    times = {"requestedBy": asker, "expiresAt": "2099-01-01T00:00:00Z"}
    head = {"apiVersion": "daulat.dev/v1alpha1", "kind": "SovereigntyExemption", "metadata": {"name": unique("out")}}
    return {**head, "spec": {**body, **times, **spec}}


def test_row_22_an_exemption_of_ones_own(ground: Ground) -> None:
    path = f"{GROUP}/sovereigntyexemptions"
    mallory = ground.with_rights("mallory", rule("daulat.dev", "sovereigntyexemptions", "get create update approve"))
    own = [{"user": mallory.user, "reference": "CHG-1"}]
    other = [{"user": "somebody-else", "reference": "CHG-1"}]
    refused(mallory.create(path, exemption(ground, mallory.user, approvals=own)), "GOV-02 ")
    refused(mallory.create(path, exemption(ground, mallory.user, approvals=other)), "GOV-02 ")
    refused(mallory.create(path, exemption(ground, "somebody-else")), "GOV-02 ")
    asked = exemption(ground, mallory.user)
    taken(mallory.create(path, asked))
    mine = f"{path}/{asked['metadata']['name']}"
    for approvals in (own, other):
        refused(mallory.change(mine, respecified(approvals=approvals)), "GOV-02 ")
    # The tenant has no right to ask at all, and an exemption that nobody approved exempts from nothing.
    refused(ground.tenant.create(path, exemption(ground, ground.tenant.user)), "cannot create")

    def told() -> bool:
        return ground.world.condition("sexempt", asked["metadata"]["name"], "Active").get("reason") == "NotApproved"

    poll("it to be told", told)
    refused(ground.tenant.create(ground.pods, ground.pod(nodeName="x")), "USE-04 ")
    ground.server.must("DELETE", mine)


def test_row_23_a_pod_that_is_being_deleted(ground: Ground) -> None:
    pod = ground.pod()
    pod["metadata"]["finalizers"] = ["example.my/hold"]
    path = f"{ground.pods}/{ground.server.must('POST', ground.pods, pod)['metadata']['name']}"
    try:
        taken(ground.tenant.ask("DELETE", path))
        assert ground.server.must("GET", path)["metadata"]["deletionTimestamp"]
        image = "docker.io/library/busybox:1"
        refused(ground.tenant.change(path, lambda p: p["spec"]["containers"][0].update(image=image)), "SUP-01 ")
        noted = ground.tenant.change(path, lambda p: p["metadata"].update(annotations={"cdi.k8s.io/x": "a=b"}))
        refused(noted, "USE-20 ")
    finally:
        taken(ground.tenant.change(path, lambda p: p["metadata"].update(finalizers=[])))


def is_advice(manifest: dict[str, Any]) -> bool:
    """Say whether it is a policy that warns of what won't find a place, and refuses nothing."""
    return str(manifest["metadata"]["name"]).endswith(".advice.daulat.dev")


def test_more_what_only_warns_says_so_in_its_binding(ground: Ground) -> None:
    every = ground.server.must("GET", f"{ADMISSION}/validatingadmissionpolicybindings")["items"]
    actions = [m["spec"]["validationActions"] for m in every if is_advice(m)]
    assert actions
    assert all(a == ["Warn"] for a in actions)


def test_row_24_what_cannot_be_decided_is_refused(ground: Ground) -> None:
    """An error of evaluation and a selector that can't be looked up are refusals in every policy that there is."""
    for action in admission():
        every = ground.server.must("GET", f"{ADMISSION}/{action}admissionpolicies")["items"]
        found = [m for m in every if m["metadata"]["name"].endswith(".daulat.dev")]
        assert found
        assert {m["spec"]["failurePolicy"] for m in found if not is_advice(m)} == {"Fail"}
        assert not any(m["spec"].get("paramKind") for m in found)
    nowhere = f"/api/v1/namespaces/{unique('nowhere')}/pods"
    pod = ground.pod(nodeName="x")
    pod["metadata"].pop("namespace")
    refused(ground.server.ask("POST", nowhere, pod), "not found")


def test_row_25_whoever_takes_a_policy_away(ground: Ground) -> None:
    name = f"{ground.policy}.pods.daulat.dev"
    bindings = f"{ADMISSION}/validatingadmissionpolicybindings"
    for path in (f"{bindings}/{name}", f"{ADMISSION}/validatingadmissionpolicies/{name}"):
        refused(ground.tenant.ask("DELETE", path), "cannot delete")
    operator = "/apis/apps/v1/namespaces/daulat-system/deployments/daulat/scale"
    refused(ground.tenant.ask("PUT", operator, {"spec": {"replicas": 0}}), "cannot update")
    # An administrator of the cluster can, and the operator puts it back.
    uid = ground.server.must("GET", f"{bindings}/{name}")["metadata"]["uid"]
    ground.server.must("DELETE", f"{bindings}/{name}")

    def back() -> bool:
        answer = ground.server.ask("GET", f"{bindings}/{name}")
        return answer.status == 200 and answer.body["metadata"]["uid"] != uid

    poll("the binding to be back", back)
    bad = ground.pod(nodeName="x")
    poll("it to hold", lambda: "USE-04 " in ground.tenant.create(f"{ground.pods}?dryRun=All", bad).text)


def test_row_30_pods_of_a_controller(ground: Ground) -> None:
    """Templates pass, pods don't, and the reason is where an owner looks for it."""
    pod = ground.pod(nodeName="sg-gpu-1", schedulerName="default-scheduler")["spec"]
    labels = {"app": unique("app")}
    template = {"metadata": {"labels": labels}, "spec": pod}
    body = {"metadata": {"name": labels["app"]}, "spec": {"selector": {"matchLabels": labels}, "template": template}}
    deployments = ground.within("apps/v1", "deployments")
    taken(ground.tenant.create(deployments, body))

    def told() -> bool:
        status = ground.server.must("GET", f"{deployments}/{labels['app']}").get("status", {})
        return any("USE-04 " in c.get("message", "") for c in status.get("conditions", []))

    poll("the Deployment to tell why it has no pods", told)
    selector = f"?labelSelector=app={labels['app']}"
    assert ground.server.must("GET", ground.pods + selector)["items"] == []
    taken(ground.tenant.ask("DELETE", f"{deployments}/{labels['app']}"))


def test_row_33_a_dry_run(ground: Ground) -> None:
    """It gets the verdict of the real request, and leaves nothing behind."""
    refused(ground.tenant.create(f"{ground.pods}?dryRun=All", ground.pod(nodeName="x")), "USE-04 ")
    good = ground.pod(unique("dry"))
    taken(ground.tenant.create(f"{ground.pods}?dryRun=All", good))
    assert ground.server.ask("GET", f"{ground.pods}/{good['metadata']['name']}").status == 404


def test_row_34_an_object_as_large_as_it_gets(ground: Ground) -> None:
    """What is too much to evaluate is refused, and what is wrong in the last of a thousand entries is found."""
    last = {"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}
    env = [{"name": f"E{i}", "value": "x" * 900} for i in range(1000)]
    refused(ground.tenant.create(ground.pods, ground.container(env=[*env, last])), "USE-16 ", TOO_MUCH)
    image = ground.pod()["spec"]["containers"][0]["image"]
    many: list[Manifest] = [{"name": f"c{i}", "image": image, "env": env[:4]} for i in range(200)]
    many[-1]["env"] = [*env[:4], last]
    refused(ground.tenant.create(ground.pods, ground.pod(containers=many)), "USE-16 ", TOO_MUCH)
    key = "cdi.k8s.io/" + "x" * 50
    noted = ground.pod()
    noted["metadata"]["annotations"] = {**{f"example.my/{i}": "y" * 200 for i in range(1000)}, key: "a=b"}
    refused(ground.tenant.create(ground.pods, noted), "USE-20 ", TOO_MUCH)


def test_row_35_a_namespace_before_its_policy(ground: Ground) -> None:
    """A namespace with a data class is closed from the first request on, before any policy has seen it."""
    rules = [rule("", "namespaces pods", "get create delete"), rule("daulat.dev", "sovereigntypolicies", "govern")]
    admin = ground.with_rights("governor", *rules)
    for _ in range(5):
        name = unique("race")
        labels = {"daulat.dev/data-class": "restricted"}
        taken(admin.create("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}}))
        pod = ground.pod()
        pod["metadata"].pop("namespace")
        refused(admin.create(f"/api/v1/namespaces/{name}/pods", pod), "GOV-01 ")
        taken(admin.ask("DELETE", f"/api/v1/namespaces/{name}"))
        refused(admin.create(f"/api/v1/namespaces/{name}/pods", pod), "GOV-01 ", "being terminated|not found")


def test_more_names_that_the_server_makes(ground: Ground) -> None:
    pod = ground.pod(nodeName="x")
    pod["metadata"].pop("name")
    pod["metadata"]["generateName"] = "bad-"
    refused(ground.tenant.create(ground.pods, pod), "USE-04 ")


def test_more_evictions_and_owners_lift_nothing(ground: Ground) -> None:
    """A pod that says it belongs to Daulat, to a DaemonSet or to a node is judged like any other."""
    for owner in (("daulat.dev/v1alpha1", "SovereignModel"), ("apps/v1", "DaemonSet"), ("v1", "Node")):
        pod = ground.pod(nodeName="sg-gpu-1")
        reference = {"apiVersion": owner[0], "kind": owner[1], "name": "x", "uid": "0123"}
        pod["metadata"]["ownerReferences"] = [reference]
        refused(ground.tenant.create(ground.pods, pod), "USE-04 ")


def test_more_a_policy_of_the_tenants_own(ground: Ground) -> None:
    """Neither a policy that allows more nor one that is on trial lifts what another refuses; RBAC lets no tenant write one."""
    body = ground.server.must("GET", f"{GROUP}/sovereigntypolicies/{ground.policy}")
    lax = {**body, "metadata": {"name": unique("lax")}, "spec": {**body["spec"], "action": "Audit"}}
    lax.pop("status", None)
    refused(ground.tenant.create(f"{GROUP}/sovereigntypolicies", lax), "cannot create")
    taken(ground.server.ask("POST", f"{GROUP}/sovereigntypolicies", lax))
    try:
        ground.world.wait_condition("sovereigntypolicy", lax["metadata"]["name"], "Compiled", "True")
        refused(ground.tenant.create(ground.pods, ground.pod(nodeName="x")), "USE-04 ")
    finally:
        ground.server.must("DELETE", f"{GROUP}/sovereigntypolicies/{lax['metadata']['name']}")


def test_more_a_record_whose_owner_is_gone(ground: Ground) -> None:
    """The garbage collector removes what has no owner left. That it may delete everything isn't the verb that records need."""
    path = f"{GROUP}/sovereigntypolicies/{ground.policy}"
    mallory = ground.with_rights("mallory", rule("daulat.dev", "sovereigntypolicies", "get update"))
    gone = {"apiVersion": "v1", "kind": "Namespace", "name": "gone", "uid": "00000000-0000-0000-0000-000000000000"}
    taken(mallory.change(path, lambda p: p["metadata"].update(ownerReferences=[gone])))
    try:
        collector = Attacker(ground.server, "system:serviceaccount:kube-system:generic-garbage-collector")
        refused(collector.ask("DELETE", path), "MGD-07 ")
        refused(ground.tenant.create(ground.pods, ground.pod(nodeName="sg-gpu-1")), "USE-04 ")
    finally:
        admin = Attacker(ground.server, "")
        taken(admin.change(path, lambda p: p["metadata"].pop("ownerReferences")))


def test_more_the_operators_account(ground: Ground) -> None:
    """Who may write Secrets and ask for tokens in the operator's namespace doesn't become the operator by it."""
    mallory = ground.with_rights("mallory", rule("", "serviceaccounts/token secrets", "create"))
    accounts = "/api/v1/namespaces/daulat-system/serviceaccounts"
    names = [
        a["metadata"]["name"] for a in ground.server.must("GET", accounts)["items"] if "daulat" in a["metadata"]["name"]
    ]
    assert names
    for name in names:
        token: Manifest = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}}
        refused(mallory.create(f"{accounts}/{name}/token", token), "MGD-08 ")
        head = {"name": unique("token"), "annotations": {"kubernetes.io/service-account.name": name}}
        secret = {"metadata": head, "type": "kubernetes.io/service-account-token"}
        refused(mallory.create("/api/v1/namespaces/daulat-system/secrets", secret), "MGD-08 ")


def test_more_a_class_made_anew_under_an_approved_name(ground: Ground) -> None:
    """A policy knows classes by their names. What a name stands for is decided by who may write the class."""
    runtimes, ingresses = "/apis/node.k8s.io/v1/runtimeclasses", "/apis/networking.k8s.io/v1/ingressclasses"
    rules = [
        rule("node.k8s.io", "runtimeclasses", "get create update delete"),
        rule("networking.k8s.io", "ingressclasses", "get create update delete"),
    ]
    mallory = ground.with_rights("mallory", *rules)
    other: Manifest = {"metadata": {"name": unique("kata")}, "handler": "kata"}
    taken(mallory.create(runtimes, other))
    taken(mallory.ask("DELETE", f"{runtimes}/{other['metadata']['name']}"))
    refused(mallory.create(runtimes, {"metadata": {"name": "nvidia"}, "handler": "evil"}), "MGD-18 ")
    # Another test may have left one on this API server.
    made = ground.server.ask("POST", runtimes, {"metadata": {"name": "nvidia"}, "handler": "nvidia"})
    assert made.status in (201, 409), made.text
    with ground.world.governed(exposure={"ingressClasses": ["inside"]}):
        mine: Manifest = {"metadata": {"name": "inside"}, "spec": {"controller": "example.sg/public"}}
        try:
            refused(mallory.ask("DELETE", f"{runtimes}/nvidia"), "MGD-18 ")
            moved = {"nodeSelector": {"site": "singapore-1"}}
            refused(mallory.change(f"{runtimes}/nvidia", lambda c: c.update(scheduling=moved)), "MGD-18 ")
            taken(mallory.change(f"{runtimes}/nvidia", lambda c: c["metadata"].update(labels={"a": "b"})))
            refused(mallory.create(ingresses, mine), "MGD-18 ")
        finally:
            if made.status == 201:
                ground.server.must("DELETE", f"{runtimes}/nvidia")


def test_more_what_carries_an_authoritys_label(ground: Ground) -> None:
    """The verbs govern and certify don't reach what an authority has labelled, nor does the verb on another authority."""
    authority, name = unique("ndo"), unique("national")
    own = rule("daulat.dev", "sovereigntypolicies", "get create update delete govern")
    exempting = rule("daulat.dev", "sovereigntyexemptions", "get create update delete approve")

    def administer(of: str) -> dict[str, list[str]]:
        return {**rule("daulat.dev", "authorities", "administer"), "resourceNames": [of]}

    ndo = ground.with_rights("ndo", administer(authority), own, exempting)
    mallory = ground.with_rights("mallory", administer("another"), own, exempting)
    body = ground.server.must("GET", f"{GROUP}/sovereigntypolicies/{ground.policy}")
    label = {"daulat.dev/authority": authority}
    national = {**body, "metadata": {"name": name, "labels": label}, "spec": {**body["spec"], "action": "Audit"}}
    national.pop("status", None)
    path = f"{GROUP}/sovereigntypolicies"
    refused(mallory.create(path, national), "GOV-05 ")
    taken(ndo.create(path, national))
    mine = f"{path}/{name}"
    try:
        refused(mallory.change(mine, respecified(action="Warn")), "GOV-05 ")
        refused(mallory.change(mine, lambda p: p["metadata"].update(labels={})), "GOV-05 ")
        refused(mallory.change(mine, labelled({"daulat.dev/authority": "another"})), "GOV-05 ")
        refused(mallory.change(f"{path}/{ground.policy}", labelled(label)), "GOV-05 ")
        refused(mallory.ask("DELETE", mine), "GOV-05 ")
        refused(mallory.ask("DELETE", path), "GOV-05 ", "cannot deletecollection")
        refused(Attacker(ground.server, OPERATOR).ask("DELETE", mine), "GOV-05 ", "cannot delete")
        taken(mallory.change(mine, annotated({"example.my/seen": "yes"})))
        unlabelled = exemption(ground, mallory.user, policy=name)
        taken(mallory.create(f"{GROUP}/sovereigntyexemptions", unlabelled))
        asked = unlabelled["metadata"]["name"]

        def told() -> bool:
            return ground.world.condition("sexempt", asked, "Active").get("reason") == "NotOfAuthority"

        poll("the exemption to be told of", told)
        refused(mallory.change(f"{GROUP}/sovereigntyexemptions/{asked}", labelled(label)), "GOV-05 ")
        ground.server.must("DELETE", f"{GROUP}/sovereigntyexemptions/{asked}")
        taken(ndo.change(mine, respecified(drift={"action": "Report"})))
    finally:
        taken(ndo.ask("DELETE", mine))


def test_evidence_in_the_cluster_changed_by_others(ground: Ground) -> None:
    """Every right on the objects isn't the verb that the guards require."""
    kinds = {"nodeattestations": attestation(unique("node")), "acceleratorinventories": _inventory(unique("chips"))}
    mallory = ground.with_rights("clerk", rule("daulat.dev", " ".join(kinds), "get create update patch delete"))
    for plural, manifest in kinds.items():
        manifest["metadata"].pop("uid", None)
        path = f"{GROUP}/{plural}"
        refused(mallory.create(path, manifest), "MGD-07 ")
        made = ground.server.must("POST", path, manifest)["metadata"]["name"]
        refused(mallory.change(f"{path}/{made}", _emptied), "MGD-07 ")
        refused(mallory.ask("DELETE", f"{path}/{made}"), "MGD-07 ")
        assert mallory.change(f"{path}/{made}", lambda o: o["metadata"].update(labels={"team": "x"})).status < 300
        ground.server.must("DELETE", f"{path}/{made}")


def _inventory(name: str) -> Manifest:
    delivery = {"name": "DN-1", "received": "2026-03-14", "chips": [f"GPU-{name}"]}
    head = {"apiVersion": "daulat.dev/v1alpha1", "kind": "AcceleratorInventory", "metadata": {"name": name}}
    return {**head, "spec": {"zones": ["cyberjaya-1"], "deliveries": [delivery]}}


def _emptied(manifest: Manifest) -> None:
    if manifest["kind"] == "AcceleratorInventory":
        manifest["spec"]["deliveries"] = []
    else:
        manifest["spec"] = attestation(unique("other"))["spec"]
