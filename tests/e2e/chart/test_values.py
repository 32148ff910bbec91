"""What the chart renders, by its values. No cluster is needed for that."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from daulat.admission.cluster import Installation, compile_cluster_guards, of_deployment
from daulat.catalog import accelerators
from daulat.cel.evaluator import Request, evaluate
from tests.unit.workload.others import problems

from .world import (
    CHART,
    GUARDS,
    NAMESPACE,
    Helm,
    rendered,
)

FORMER = CHART.parents[1] / "tests/upgrade/v0.1.0/daulat-0.1.0.tgz"


def test_the_chart_is_linted_and_rendered_without_a_word(helm: Helm) -> None:
    assert "1 chart(s) linted, 0 chart(s) failed" in helm("lint", "--strict", str(CHART))
    objects = rendered(helm)
    # Helm takes the newest Kubernetes that it knows, where it isn't told another.
    found = {d["metadata"]["name"] for d in objects if d["kind"] == "ValidatingAdmissionPolicy"}
    assert found == GUARDS - {"operator-annotations.cluster.daulat.dev"}
    assert not [d for d in objects if d["kind"] in {"Namespace", "Secret", "CustomResourceDefinition"}]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("replica=3", "additional properties 'replica' not allowed"),
        ("replicas=6", "/replicas"),
        ("image.digest=sha256:abc", "/image/digest"),
        ("runAsUser=0", "/runAsUser"),
        ("pin=Always", "/pin"),
        ("replicaCount=6", "/replicaCount"),
        ("securityContext.readOnlyRootFilesystem=false", "/securityContext/readOnlyRootFilesystem"),
        ("podSecurityContext.runAsNonRoot=false", "/podSecurityContext/runAsNonRoot"),
        ("podSecurityContext.seccompProfile.type=Unconfined", "/podSecurityContext/seccompProfile/type"),
        # Selectors can't be changed, and what Daulat goes by is no label for everything.
        ("commonLabels.app\\.kubernetes\\.io/name=x", "/commonLabels"),
        ("commonLabels.daulat\\.dev/model=x", "/commonLabels"),
        ("commonAnnotations.helm\\.sh/hook=test", "/commonAnnotations"),
        ("envFrom[0].secretRef.name=x", "additional properties 'envFrom' not allowed"),
        ("hostAliases[0].ip=10.0.0.1", "additional properties 'hostAliases' not allowed"),
        ("logFormat=xml", "/logFormat"),
        ("guards.enable=false", "additional properties 'enable' not allowed"),
        ("acceleratorProfiles.exclude={nvidia-h21}", 'the chart ships no profile "nvidia-h21"'),
    ],
)
def test_a_bad_value_is_refused(helm: Helm, value: str, said: str) -> None:
    result = helm.run("template", "daulat", str(CHART), "--set", value)
    assert result.returncode != 0
    assert said in result.stderr


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"operator": {"args": ["--workers=4", '--it\'s <here> & "there"']}},
        {
            "pin": "Refuse",
            "models": {"fixedUser": False},
            "runAsUser": None,
            "nodeSelector": {"example.my/site": "it's"},
        },
        {"prometheus": {"address": "http://p:9090", "wakeQuery": "a{b='c'} > 0", "podMonitorLabels": {"release": "x"}}},
        {"dns": {"namespace": "openshift-dns", "podLabels": {"a/b": "c"}, "port": 5353}},
        {"image": {"digest": "sha256:" + "1a" * 32}, "weights": {"image": "registry.example.my/w@sha256:" + "2b" * 32}},
        {
            "extraEnv": [{"name": "SSL_CERT_FILE", "value": "/etc/ca/ca.crt"}],
            "extraVolumes": [{"name": "ca", "secret": {"secretName": "ca"}}],
            "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ca", "readOnly": True}],
            "guards": {"injectedMounts": ["/var/run/secrets/webhook"], "injectedVolumes": ["webhook"]},
            "global": {"imageRegistry": "r.example.my:5000/mirror"},
            "fullnameOverride": "keeper",
            "logLevel": "debug",
            "logFormat": "text",
            "models": {"pauseUpgrades": True},
            "kueue": {"admissionCheck": {"enabled": True}},
        },
        {"serviceAccount": {"name": "keeper"}, "tolerations": [{"operator": "Exists"}], "podAnnotations": {"a": "b"}},
        {
            "operator": {
                "env": [
                    {"name": "A", "value": 'it\'s "quoted"\nand more'},
                    {"name": "B"},
                    {"name": "C", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                    {"name": "D", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k", "optional": True}}},
                    {"name": "E", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}},
                ]
            }
        },
    ],
)
def test_the_guard_of_the_operators_pods_knows_them_as_the_same_values_render_them(
    helm: Helm, tmp_path: Path, values: dict[str, Any]
) -> None:
    """Whatever the values say, the Deployment's own pods pass, and the guard is what daulat compiles for that Deployment."""
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    objects = rendered(helm, "-f", str(file))
    (deployment,) = (d for d in objects if d["kind"] == "Deployment")
    policies = {d["metadata"]["name"]: d["spec"] for d in objects if d["kind"] == "ValidatingAdmissionPolicy"}
    guard = policies["software.cluster.daulat.dev"]
    injected = {name: tuple(values.get("guards", {}).get(name, ())) for name in ("injectedMounts", "injectedVolumes")}
    base = Installation(
        NAMESPACE, injected_mounts=injected["injectedMounts"], injected_volumes=injected["injectedVolumes"]
    )
    installation = of_deployment(deployment, base)
    (compiled,) = (
        m["spec"]
        for m in compile_cluster_guards(installation)
        if (m["kind"], m["metadata"]["name"]) == ("ValidatingAdmissionPolicy", "software.cluster.daulat.dev")
    )
    assert _constants(guard) == _constants(compiled)
    pod = {"metadata": {"name": "p"}, "spec": deployment["spec"]["template"]["spec"]}
    assert evaluate({"spec": guard}, Request(pod, namespace=NAMESPACE)).violations == ()
    pod["spec"]["containers"][0]["args"] = ["weights"]
    assert evaluate({"spec": guard}, Request(pod, namespace=NAMESPACE)).violations != ()


def _constants(guard: dict[str, Any]) -> dict[str, Any]:
    """Return the values of the variables that are constants, for two texts of JSON may say the same."""
    found = {}
    for variable in guard["variables"]:
        with suppress(ValueError):
            found[variable["name"]] = json.loads(variable["expression"])
    return found


def test_an_older_kubernetes_is_refused(helm: Helm) -> None:
    result = helm.run("template", "daulat", str(CHART), "--kube-version", "1.29.9")
    assert result.returncode != 0
    assert ">=1.30.0-0" in result.stderr


@pytest.mark.parametrize(
    ("options", "annotates"),
    [
        ((), False),
        (("--kube-version", "1.30.0"), True),
        (("--kube-version", "v1.31.1-gke.100"), True),
        (("--kube-version", "1.35.4"), True),
        # Who switches the beta on may switch it off again.
        (("--kube-version", "1.35.4", "--api-versions", "admissionregistration.k8s.io/v1beta1"), True),
        (("--kube-version", "1.36.0"), False),
        (("--kube-version", "1.31.1", "--set", "pin=Refuse"), False),
        (("--kube-version", "1.35.4", "--set", "pin=MutatingAdmissionPolicy"), False),
        (("--kube-version", "1.37.2", "--set", "pin=PodNodeSelector"), True),
        (("--kube-version", "1.37.2", "--set", "pin=OpenShift"), True),
    ],
)
def test_the_operator_may_patch_namespaces_only_where_it_pins_by_an_annotation(
    helm: Helm, options: tuple[str, ...], annotates: bool
) -> None:
    objects = rendered(helm, *options)
    roles = {d["metadata"]["name"]: d["rules"] for d in objects if d["kind"] == "ClusterRole"}
    patching = {
        name
        for name, rules in roles.items()
        for rule in rules
        if "namespaces" in rule["resources"] and {"patch", "update"} & {*rule["verbs"]}
    }
    assert patching == ({"daulat-operator-namespaces"} if annotates else set())
    bound = {d["roleRef"]["name"] for d in objects if d["kind"] == "ClusterRoleBinding"}
    assert ("daulat-operator-namespaces" in bound) is annotates
    (operator,) = (d for d in objects if d["kind"] == "Deployment")
    env = {e["name"]: e.get("value") for e in operator["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert env.get("DAULAT_PIN", "Auto") == next((o[4:] for o in options if o.startswith("pin=")), "Auto")


def test_excluded_profiles_and_guards_turned_off_are_left_out(helm: Helm) -> None:
    values = ["--set", "acceleratorProfiles.exclude={nvidia-h20}", "--set", "guards.enabled=false"]
    objects = rendered(helm, *values)
    profiles = {d["metadata"]["name"] for d in objects if d["kind"] == "AcceleratorProfile"}
    assert profiles == set(accelerators.shipped()) - {"nvidia-h20"}
    # What restricts only the operator stays.
    policies = {d["metadata"]["name"] for d in objects if d["kind"] == "ValidatingAdmissionPolicy"}
    assert policies == {"operator.cluster.daulat.dev"}


def test_only_named_components_certify_devices(helm: Helm) -> None:
    values = ["--set", "rbac.deviceComponents[0].namespace=nfd", "--set", "rbac.deviceComponents[0].name=worker"]
    objects = rendered(helm, *values)
    (bound,) = [d for d in objects if d["metadata"]["name"] == "daulat-device-component" and "subjects" in d]
    assert bound["subjects"] == [{"kind": "ServiceAccount", "name": "worker", "namespace": "nfd"}]
    (role,) = [d for d in objects if d["metadata"]["name"] == "daulat-device-component" and "rules" in d]
    assert role["rules"] == [{"apiGroups": ["daulat.dev"], "resources": ["acceleratorprofiles"], "verbs": ["certify"]}]


# --- what models' pods are given


@pytest.mark.parametrize(
    ("values", "image"),
    [
        ((), "ghcr.io/daulat/daulat:0.1.0"),
        (
            (
                "--set=image.digest=sha256:1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a",
                "--set=image.repository=r.example.my/d",
            ),
            "r.example.my/d@sha256:1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a",
        ),
        (("--set=weights.image=r.example.my/own@sha256:2",), "r.example.my/own@sha256:2"),
    ],
)
def test_weights_are_loaded_by_the_operators_image_unless_another_is_given(
    helm: Helm, values: tuple[str, ...], image: str
) -> None:
    objects = rendered(helm, *values)
    (operator,) = [d for d in objects if d["kind"] == "Deployment"]
    env = {e["name"]: e.get("value") for e in operator["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert env["DAULAT_WEIGHTS_IMAGE"] == image


def test_the_operator_is_told_where_models_metrics_are_and_nothing_where_nobody_says(helm: Helm) -> None:
    def told(*values: str) -> dict[str, str]:
        objects = rendered(helm, *values)
        (operator,) = [d for d in objects if d["kind"] == "Deployment"]
        env = {e["name"]: e.get("value") for e in operator["spec"]["template"]["spec"]["containers"][0]["env"]}
        return {name: str(v) for name, v in env.items() if "PROMETHEUS" in name or "WAKE" in name or "MONITOR" in name}

    assert told() == {}
    query = 'sum(requests{route="{namespace}/{name}"})'
    values = ("--set=prometheus.address=http://p.my:9090", f"--set-literal=prometheus.wakeQuery={query}")
    assert told(*values, "--set=prometheus.podMonitorLabels.release=p") == {
        "DAULAT_PROMETHEUS": "http://p.my:9090",
        "DAULAT_WAKE_QUERY": query,
        "DAULAT_POD_MONITOR_LABELS": '{"release":"p"}',
    }


RECORDER = "--set=recorder.enabled=true,recorder.key.secretName=log"


def test_each_component_has_a_monitor_that_selects_its_service_alone(helm: Helm) -> None:
    objects = rendered(helm, RECORDER, "--set=metrics.serviceMonitor.enabled=true")
    monitors = [d for d in objects if d["kind"] == "ServiceMonitor"]
    assert [d["metadata"]["name"] for d in monitors] == ["daulat", "daulat-recorder"]
    for monitor in monitors:
        (endpoint,) = monitor["spec"]["endpoints"]
        assert endpoint["honorLabels"]
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        (service,) = (
            d
            for d in objects
            if d["kind"] == "Service"
            and wanted <= d["metadata"]["labels"].items()
            and endpoint["port"] in {p["name"] for p in d["spec"]["ports"]}
        )
        assert service["metadata"]["name"] == f"{monitor['metadata']['name']}-metrics"


def test_monitors_and_rules_are_what_the_prometheus_operator_takes(helm: Helm) -> None:
    on = "--set=metrics.serviceMonitor.enabled=true,metrics.serviceMonitor.scrapeTimeout=10s,metrics.prometheusRule.enabled=true"
    objects = rendered(helm, on, RECORDER)
    found = [d for d in objects if d["kind"] in ("ServiceMonitor", "PrometheusRule")]
    assert len(found) == 4
    assert [problem for each in found for problem in problems(each)] == []
    assert problems({**found[0], "spec": {**found[0]["spec"], "endpoint": []}})


def test_alerts_are_those_of_the_rule_files_with_what_the_values_change(helm: Helm) -> None:
    on = "--set=metrics.prometheusRule.enabled=true"
    plain = [d for d in rendered(helm, on) if d["kind"] == "PrometheusRule"]
    files = CHART / "files" / "prometheus"
    assert [d["spec"] for d in plain] == [yaml.safe_load((files / "rules.yaml").read_text())]
    both = [d for d in rendered(helm, on, RECORDER) if d["kind"] == "PrometheusRule"]
    assert [d["metadata"]["name"] for d in both] == ["daulat", "daulat-recorder"]
    assert both[1]["spec"] == yaml.safe_load((files / "recorder-rules.yaml").read_text())

    changes = (
        "metrics.prometheusRule.disabledAlerts={DaulatAPIErrors},metrics.prometheusRule.runbookURL=https://w.my/r/"
    )
    (changed,) = (
        d
        for d in rendered(
            helm,
            on,
            f"--set={changes},metrics.prometheusRule.alertLabels.team=ml,metrics.prometheusRule.labels.release=p",
        )
        if d["kind"] == "PrometheusRule"
    )
    assert changed["metadata"]["labels"]["release"] == "p"
    of = {r["alert"]: r for g in changed["spec"]["groups"] for r in g["rules"] if "alert" in r}
    before = {r["alert"] for g in plain[0]["spec"]["groups"] for r in g["rules"] if "alert" in r}
    assert set(of) == before - {"DaulatAPIErrors"}
    assert of["DaulatFactsStale"]["labels"] == {"severity": "critical", "team": "ml"}
    assert of["DaulatFactsStale"]["annotations"]["runbook_url"] == "https://w.my/r/DaulatFactsStale.md"


def test_dashboards_are_config_maps_that_a_sidecar_finds(helm: Helm) -> None:
    on = "--set=metrics.grafanaDashboards.enabled=true,metrics.grafanaDashboards.annotations.grafana_folder=Daulat"
    found = {d["metadata"]["name"]: d for d in rendered(helm, on, RECORDER) if d["kind"] == "ConfigMap"}
    assert set(found) == {"daulat-dashboard-overview", "daulat-dashboard-recorder"}
    for each in found.values():
        assert each["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert each["metadata"]["annotations"] == {"grafana_folder": "Daulat"}
        ((file, text),) = each["data"].items()
        assert text == (CHART / "files" / "grafana" / file).read_text()
    assert [d for d in rendered(helm, on) if d["metadata"]["name"] == "daulat-dashboard-recorder"] == []


def test_common_labels_and_annotations_are_on_every_object_and_change_no_selector(helm: Helm) -> None:
    """A selector can't be changed, so it is that of the first release, whatever the values say."""
    plain = rendered(helm)
    options = "--set=commonLabels.team=ml,podLabels.team=own,commonAnnotations.owner=it,podAnnotations.a=b"
    objects = rendered(helm, options, "--set=metrics.serviceMonitor.enabled=true", "--set=fullnameOverride=keeper")
    assert len(objects) == len(plain) + 1
    for each in objects:
        assert each["metadata"]["labels"]["team"] == "ml", each["metadata"]["name"]
        assert each["metadata"]["annotations"]["owner"] == "it"
        assert each["metadata"]["labels"]["app.kubernetes.io/part-of"] == "daulat"
    operator = _operator(objects)
    template = operator["spec"]["template"]["metadata"]
    assert (template["labels"]["team"], template["annotations"]) == ("own", {"owner": "it", "a": "b"})
    former = yaml.safe_load_all(helm("template", "daulat", str(FORMER), "--namespace", NAMESPACE))
    assert operator["spec"]["selector"] == _operator([d for d in former if d])["spec"]["selector"]
    monitors = [d["spec"]["selector"] for d in objects if d["kind"] in ("ServiceMonitor", "PodDisruptionBudget")]
    assert monitors == [operator["spec"]["selector"]] * 2


def test_names_follow_an_override_and_what_is_once_in_a_cluster_doesnt(helm: Helm) -> None:
    by_kind: dict[str, set[str]] = {}
    for each in rendered(helm, "--set=nameOverride=other,fullnameOverride=keeper"):
        by_kind.setdefault(each["kind"], set()).add(each["metadata"]["name"])
    for kind in ("Deployment", "PodDisruptionBudget", "NetworkPolicy"):
        assert by_kind[kind] == {"keeper"}
    assert "keeper-metrics" in by_kind["Service"]
    assert by_kind["ValidatingAdmissionPolicy"] == GUARDS - {"operator-annotations.cluster.daulat.dev"}
    assert "daulat-operator" in by_kind["ClusterRole"]
    assert "daulat" in by_kind["ServiceAccount"]


def test_a_registry_and_pull_secrets_of_all_charts_are_honoured_by_every_pod(helm: Helm) -> None:
    values = "--set=global.imageRegistry=r.my:5000/mirror,global.imagePullSecrets={a},imagePullSecrets[0].name=b"
    objects = rendered(helm, values, "--set=image.pullSecrets[0].name=a,global.storageClass=theirs")
    operator = _operator(objects)["spec"]["template"]["spec"]
    (test,) = (d["spec"] for d in objects if d["kind"] == "Pod")
    for pod in (operator, test):
        assert pod["containers"][0]["image"] == "r.my:5000/mirror/daulat/daulat:0.1.0"
        assert sorted(s["name"] for s in pod["imagePullSecrets"]) == ["a", "b"]
    plain = "--set=global.imageRegistry=r.my,image.repository=team/daulat"
    assert _operator(rendered(helm, plain))["spec"]["template"]["spec"]["containers"][0]["image"] == (
        "r.my/team/daulat:0.1.0"
    )


def test_old_and_new_names_of_a_value_say_the_same(helm: Helm) -> None:
    old = rendered(helm, "--set=replicas=3,image.pullSecrets[0].name=a,operator.env[0].name=A")
    assert rendered(helm, "--set=replicaCount=3,imagePullSecrets[0].name=a,extraEnv[0].name=A") == old
    assert _operator(rendered(helm, "--set=replicaCount=0"))["spec"]["replicas"] == 0


def test_extra_objects_are_templates_written_as_yaml_or_as_text(helm: Helm, tmp_path: Path) -> None:
    one = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-one"}}
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: two, namespace: {{ .Release.Namespace }}}\n"
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump({"extraObjects": [one, text]}))
    found = [d["metadata"] for d in rendered(helm, "-f", str(file)) if d["kind"] == "ConfigMap"]
    assert found == [{"name": "daulat-one"}, {"name": "two", "namespace": NAMESPACE}]


def test_probes_strategy_and_spread_are_settings_and_what_is_asked_stays(helm: Helm) -> None:
    spread = "topologySpreadConstraints[0].maxSkew=2,topologySpreadConstraints[0].topologyKey=zone"
    spread += ",topologySpreadConstraints[0].whenUnsatisfiable=DoNotSchedule"
    values = (
        f"--set=startupProbe.failureThreshold=30,livenessProbe.timeoutSeconds=9,updateStrategy.type=Recreate,{spread}"
    )
    spec = _operator(rendered(helm, values, "--set=podDisruptionBudget.minAvailable=50%"))["spec"]
    pod = spec["template"]["spec"]
    container = pod["containers"][0]
    assert container["startupProbe"] == {"failureThreshold": 30, "httpGet": {"path": "/healthz", "port": "metrics"}}
    assert (container["livenessProbe"]["timeoutSeconds"], container["livenessProbe"]["periodSeconds"]) == (9, 10)
    assert spec["strategy"] == {"type": "Recreate"}
    (constraint,) = pod["topologySpreadConstraints"]
    assert (constraint["maxSkew"], constraint["labelSelector"]) == (2, spec["selector"])


def test_without_a_cluster_to_look_at_no_job_upgrades_the_crds(helm: Helm) -> None:
    """So Argo CD, which applies the chart's CRDs itself, makes no account that may change them."""
    assert [d for d in rendered(helm) if d["kind"] == "Job" or d["metadata"]["name"].endswith("-crds")] == []


def test_the_chart_names_the_image_that_it_runs(helm: Helm) -> None:
    notes = yaml.safe_load((CHART / "Chart.yaml").read_text())["annotations"]
    (image,) = (i["image"] for i in yaml.safe_load(notes["artifacthub.io/images"]))
    assert _operator(rendered(helm))["spec"]["template"]["spec"]["containers"][0]["image"] == image


def _operator(objects: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = (d for d in objects if d["kind"] == "Deployment")
    return found
