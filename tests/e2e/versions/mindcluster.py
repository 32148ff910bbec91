"""What MindCluster 26.1 and Volcano install, with the fields that admission could have something against.

Written after the manifests of Ascend/mind-cluster (component/*/build) and the documentation of its jobs; images and commands don't
matter here.
"""

from __future__ import annotations

from typing import Any

from tests.e2e.world import IMAGE, Manifest

DEVICE_PLUGIN = "system:serviceaccount:kube-system:ascend-device-plugin-sa"
NODED = "system:serviceaccount:mindx-dl:noded"
CLUSTERD = "system:serviceaccount:mindx-dl:clusterd"
ASCEND_OPERATOR = "system:serviceaccount:mindx-dl:ascend-operator-manager"
SCHEDULER = "system:serviceaccount:volcano-system:volcano-scheduler"
CONTROLLERS = "system:serviceaccount:volcano-system:volcano-controllers"
RESOURCE = "huawei.com/Ascend910"
CHOSEN = {
    "name": "ASCEND_VISIBLE_DEVICES",
    "valueFrom": {"fieldRef": {"fieldPath": f"metadata.annotations['{RESOURCE}']"}},
}
"""The variable as Ascend Operator adds it to the containers of its jobs."""
_WORKERS = {"workerselector": "dls-worker-node"}
# No node has this label: that these Deployments are taken is enough, and their pods stay Pending.
_MASTERS = {"masterselector": "dls-master-node"}
_DRIVER, _LOGS = "/usr/local/Ascend/driver", "/var/log"


def _rule(group: str, resources: str, verbs: str) -> Manifest:
    return {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split()}


def _account(user: str, *rules: Manifest) -> list[Manifest]:
    """Return a ServiceAccount with rights in the whole cluster."""
    namespace, name = user.split(":")[2:]
    api, role = "rbac.authorization.k8s.io", f"test-{name}"
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    reference = {"apiGroup": api, "kind": "ClusterRole", "name": role}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}},
        {"apiVersion": f"{api}/v1", "kind": "ClusterRole", "metadata": {"name": role}, "rules": list(rules)},
        {
            "apiVersion": f"{api}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": role},
            "subjects": [subject],
            "roleRef": reference,
        },
    ]


def _running(kind: str, name: str, namespace: str, paths: tuple[str, ...], **spec: Any) -> Manifest:
    """Return a workload whose one container mounts paths of its node."""
    volumes = [{"name": f"path-{i}", "hostPath": {"path": path}} for i, path in enumerate(paths)]
    mounts = [{"name": v["name"], "mountPath": path} for v, path in zip(volumes, paths, strict=True)]
    container = {"name": name, "image": f"{name}:v26.1.0", "imagePullPolicy": "Never", "volumeMounts": mounts}
    privileged = {"privileged": True} if kind == "DaemonSet" else {"capabilities": {"drop": ["ALL"]}}
    body = {**spec, "containers": [{**container, "securityContext": privileged}], "volumes": volumes}
    body.setdefault("nodeSelector", _WORKERS if kind == "DaemonSet" else _MASTERS)
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {
                    "labels": labels,
                    "annotations": {"seccomp.security.alpha.kubernetes.io/pod": "runtime/default"},
                },
                "spec": body,
            },
        },
    }


def components() -> list[Manifest]:
    """Return the components in their own namespaces, in the order in which they are applied."""
    namespaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        for name in ("mindx-dl", "npu-exporter", "volcano-system")
    ]
    kubelet = ("/var/lib/kubelet/device-plugins", "/var/lib/kubelet/pod-resources")
    pods, maps = _rule("", "pods", "get list update watch patch"), _rule("", "configmaps", "get create update list")
    plugin = {"serviceAccountName": "ascend-device-plugin-sa", "hostPID": True}
    tolerations = [{"key": "CriticalAddonsOnly", "operator": "Exists"}, {"key": RESOURCE, "operator": "Exists"}]
    return [
        *namespaces,
        *_account(
            DEVICE_PLUGIN,
            pods,
            _rule("", "nodes", "get patch"),
            _rule("", "nodes/status", "get patch update"),
            maps,
        ),
        _running(
            "DaemonSet",
            "ascend-device-plugin",
            "kube-system",
            (*kubelet, _DRIVER, _LOGS),
            priorityClassName="system-node-critical",
            tolerations=tolerations,
            **plugin,
        ),
        *_account(NODED, _rule("", "nodes", "get list patch"), pods, maps),
        _running(
            "DaemonSet", "noded", "mindx-dl", ("/dev", _DRIVER, _LOGS), serviceAccountName="noded", hostNetwork=True
        ),
        _running("DaemonSet", "npu-exporter", "npu-exporter", ("/run/containerd", _DRIVER, _LOGS)),
        *_account(CLUSTERD, pods, _rule("", "nodes", "get list patch watch"), maps),
        _running("Deployment", "clusterd", "mindx-dl", (_LOGS,), serviceAccountName="clusterd"),
        *_account(ASCEND_OPERATOR, _rule("", "pods services configmaps", "create list watch delete get update patch")),
        _running(
            "Deployment", "ascend-operator-manager", "mindx-dl", (_LOGS,), serviceAccountName="ascend-operator-manager"
        ),
        *_account(SCHEDULER, pods, _rule("", "pods/binding", "create"), _rule("", "nodes", "get list watch")),
        _running("Deployment", "volcano-scheduler", "volcano-system", (_LOGS,), serviceAccountName="volcano-scheduler"),
        *_account(
            CONTROLLERS,
            _rule("", "pods services configmaps secrets", "create get list watch delete update"),
            _rule("networking.k8s.io", "networkpolicies", "get create delete"),
        ),
        _running(
            "Deployment", "volcano-controllers", "volcano-system", (_LOGS,), serviceAccountName="volcano-controllers"
        ),
        {
            "apiVersion": "node.k8s.io/v1",
            "kind": "RuntimeClass",
            "metadata": {"name": "ascend"},
            "handler": "ascend",
        },
    ]


def job_pod(name: str, namespace: str, container: Manifest | None = None, **spec: Any) -> Manifest:
    """Return a pod of an AscendJob as Ascend Operator makes it, with the image from an approved registry."""
    amount = {RESOURCE: "8"}
    main = {
        "name": "ascend",
        "image": IMAGE,
        "env": [CHOSEN, {"name": "XDL_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}],
        "ports": [{"name": "ascendjob-port", "containerPort": 2222}],
        "resources": {"limits": amount, "requests": amount},
        **(container or {}),
    }
    metadata = {
        "name": name,
        "namespace": namespace,
        "labels": {"ring-controller.atlas": "ascend-910b", "fault-scheduling": "force", "pod-rescheduling": "on"},
        "annotations": {
            "huawei.com/schedule_policy": "chip8-node8",
            "huawei.com/schedule_minAvailable": "1",
            "huawei.com/recover_policy_path": "pod",
            "scheduling.k8s.io/group-name": "job",
        },
    }
    selector = {"host-arch": "huawei-arm", "accelerator-type": "module-910b-8"}
    body = {"schedulerName": "volcano", "nodeSelector": selector, "containers": [main], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": body}


def job_objects(namespace: str) -> list[tuple[str, Manifest]]:
    """Return what controllers keep beside the pods of a job, each with the user that creates it."""

    def made(api: str, kind: str, name: str, **content: Any) -> Manifest:
        return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **content}

    own = {"matchLabels": {"volcano.sh/job-name": "job", "volcano.sh/job-namespace": namespace}}
    peers = {"podSelector": own, "policyTypes": ["Ingress"], "ingress": [{"from": [{"podSelector": own}]}]}
    port = [{"name": "ascendjob-port", "port": 2222}]
    return [
        (
            ASCEND_OPERATOR,
            made("v1", "Service", "job", spec={"clusterIP": "None", "selector": {"job-name": "job"}, "ports": port}),
        ),
        (ASCEND_OPERATOR, made("v1", "ConfigMap", "rings-config-job", data={"hccl.json": "{}"})),
        (CLUSTERD, made("v1", "ConfigMap", "reset-config-job", data={"reset.json": "{}", "checkCode": ""})),
        (
            CONTROLLERS,
            made("v1", "Service", "vcjob", spec={"clusterIP": "None", "selector": own["matchLabels"]}),
        ),
        (CONTROLLERS, made("v1", "ConfigMap", "vcjob-svc", data={"VC_WORKER_HOSTS": "a", "VC_WORKER_NUM": "1"})),
        (CONTROLLERS, made("v1", "Secret", "vcjob-ssh", stringData={"id_rsa": "a", "authorized_keys": "b"})),
        (CONTROLLERS, made("networking.k8s.io/v1", "NetworkPolicy", "vcjob", spec=peers)),
    ]
