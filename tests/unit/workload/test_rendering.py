"""What a placed model becomes: stable, restricted, offline, pinned."""

from __future__ import annotations

import subprocess
import sys
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from daulat.admission.policy import compile_policy
from daulat.api.enginestart import SERVED
from daulat.api.meta import LabelSelector
from daulat.catalog import accelerators
from daulat.cel.evaluator import Request, evaluate_all
from daulat.placement.choice import choose
from daulat.placement.loading import loading
from daulat.workload.container import container
from daulat.workload.labels import Member
from daulat.workload.manifests import manifests
from daulat.workload.plan import Group, Plan
from daulat.workload.pod import unusable_settings
from tests.unit.world import (
    ASCEND,
    ASCEND_RESOURCE,
    H20,
    IMAGE,
    NVIDIA_RESOURCE,
    World,
    ascend,
    choice,
    device,
    h20,
    model,
    node,
    offered,
    policy,
    the_model,
    zone,
)

S3 = "https://s3.example.my"
GOLDEN = Path(__file__).parent / "golden"
PINS = "daulat.node-restriction.kubernetes.io/"


def rendered(world: World, plan: Plan | None = None) -> list[dict[str, Any]]:
    snapshot = world.snapshot()
    found = the_model(snapshot)
    policies = snapshot.governing(found.namespace)
    decision = choose(found, policies, snapshot)
    assert decision.chosen is not None, decision.message
    how = loading(found, decision.chosen, policies, snapshot.weights_image)
    assert not how.problem
    return manifests(found, decision.chosen, policies, how, plan or Plan(found.spec.replicas))


def on(profile: str, count: int = 4, **more: Any) -> World:
    return World(models=[model(accelerators=[choice(profile, count, **more)])])


def of_kind(kind: str, world: World) -> dict[str, Any]:
    return next(m for m in rendered(world) if m["kind"] == kind)


def pod_of(world: World) -> dict[str, Any]:
    found: dict[str, Any] = of_kind("Deployment", world)["spec"]["template"]["spec"]
    return found


def engine_of(world: World) -> dict[str, Any]:
    (found,) = pod_of(world)["containers"]
    assert isinstance(found, dict)
    return found


def test_an_engine_is_told_no_more_than_it_needs() -> None:
    plain = engine_of(on(ASCEND, 1))["args"]
    assert not [a for a in plain if a.startswith(("--tensor", "--pipeline", "--max-"))]


def env_of(world: World) -> dict[str, str]:
    return {e["name"]: e["value"] for e in engine_of(world)["env"] if "value" in e}


def test_the_same_model_renders_to_the_same_manifests() -> None:
    assert yaml.safe_dump(rendered(World())) == yaml.safe_dump(rendered(World()))


RUNS = {
    ASCEND: ("vllm", "sglang", "mindie", "custom"),
    H20: ("vllm", "sglang", "llama.cpp", "custom"),
}
CUSTOM = {"command": ["serve"], "args": ["--weights={weights}", "--on={devices}"], "port": 9000, "apiKeyEnv": "KEY"}


FAMILIES = {
    "amd-mi300x": ("vllm", "llama.cpp"),
    "intel-gpu": ("vllm", "llama.cpp"),
    "intel-gaudi": ("vllm",),
    "nvidia-h100-mig": ("vllm",),
    "huawei-ascend-910c": ("vllm", "sglang", "mindie"),
    "huawei-ascend-310p": ("vllm", "mindie"),
    "huawei-ascend-910b3-hami": ("vllm",),
}
"""One profile of each other family, with the engines that it runs."""


def settings_for(engine: str) -> dict[str, Any]:
    custom = {"custom": CUSTOM, "apiKeySecret": {"name": "keys", "key": "api"}} if engine == "custom" else {}
    return {"name": engine, **custom}


def world_of(name: str, engine: str) -> World:
    """Return a world with a node of that accelerator, and a model that is to run there with the engine."""
    profile = accelerators.shipped()[name]
    selector = profile.node_selector or LabelSelector()
    labels = {
        **(selector.match_labels or {}),
        **{e.key: (e.values or ("",))[0] for e in selector.match_expressions or ()},
    }
    count = profile.devices_per_package if profile.resources[0].sharing == "Whole" else 1
    file = {"file": "q4/model.gguf"} if engine == "llama.cpp" else {}
    return World(
        nodes=[node("n", devices={profile.resources[0].name: "8"}, labels=labels)],
        profiles=accelerators.manifests(),
        policies=[policy(accelerators={"profiles": [name]})],
        models=[
            model(engine=settings_for(engine), model={"name": "qwen3-4b", **file}, accelerators=[choice(name, count)])
        ],
    )


@pytest.mark.parametrize(("profile", "engine"), [(p, e) for p, engines in FAMILIES.items() for e in engines])
def test_an_upgrade_of_the_operator_rolls_no_pod_of_another_family(profile: str, engine: str) -> None:
    golden = GOLDEN / f"{profile}-{engine}.yaml"
    assert rendered(world_of(profile, engine)) == list(yaml.safe_load_all(golden.read_text()))


@pytest.mark.parametrize(("profile", "engine"), [(p, e) for p, engines in RUNS.items() for e in engines])
def test_an_upgrade_of_the_operator_rolls_no_pod(profile: str, engine: str) -> None:
    """Where this fails, every running model restarts on upgrade: change the golden file only if that is meant."""
    name = "ascend" if profile == ASCEND else "nvidia"
    golden = GOLDEN / (f"{name}.yaml" if engine == "vllm" else f"{name}-{engine}.yaml")
    settings = settings_for(engine)
    file = {"file": "q4/model.gguf"} if engine == "llama.cpp" else {}
    world = World(models=[model(engine=settings, model=file, accelerators=[choice(profile, 4)])])
    assert rendered(world) == list(yaml.safe_load_all(golden.read_text()))


def sentences(world: World) -> list[str]:
    snapshot = world.snapshot()
    decision = choose(the_model(snapshot), snapshot.governing("treasury"), snapshot)
    assert decision.chosen is not None
    return unusable_settings(the_model(snapshot), decision.chosen)


@pytest.mark.parametrize(
    ("profile", "engine", "words"),
    [
        (H20, {"name": "llama.cpp"}, "spec.model.file: llama.cpp loads one file"),
        (ASCEND, {"name": "mindie", "args": ["--x"]}, "spec.engine.args: mindie takes a configuration"),
        (
            ASCEND,
            {"name": "mindie", "apiKeySecret": {"name": "k", "key": "k"}},
            "spec.engine.apiKeySecret: mindie can't",
        ),
        (H20, {"name": "sglang", "apiKeySecret": {"name": "k", "key": "k"}}, "spec.engine.apiKeySecret: sglang can't"),
    ],
)
def test_what_an_engine_cant_do_is_told(profile: str, engine: dict[str, Any], words: str) -> None:
    (told,) = sentences(World(models=[model(engine=engine, accelerators=[choice(profile, 4)])]))
    assert told.startswith(words)


def test_mindie_is_told_how_long_sequences_are_and_serves_no_slash() -> None:
    unknown = {"name": "own/model"}
    told = sentences(World(models=[model(engine={"name": "mindie"}, model=unknown, accelerators=[choice(ASCEND, 4)])]))
    assert [t.split(":")[0] for t in told] == ["spec.engine.context", "spec.model.name"]


@pytest.mark.parametrize(("engine", "name"), [("vllm", "VLLM_API_KEY"), ("llama.cpp", "LLAMA_API_KEY")])
def test_a_key_comes_from_a_secret_and_is_nowhere_in_the_manifest(engine: str, name: str) -> None:
    settings = {"name": engine, "apiKeySecret": {"name": "keys", "key": "api"}}
    world = World(models=[model(engine=settings, model={"file": "m.gguf"}, accelerators=[choice(H20, 1)])])
    (found,) = [e for e in engine_of(world)["env"] if "valueFrom" in e]
    assert found == {"name": name, "valueFrom": {"secretKeyRef": {"name": "keys", "key": "api"}}}


def test_nobody_is_let_to_what_stops_mindie() -> None:
    world = World(models=[model(engine={"name": "mindie"}, accelerators=[choice(ASCEND, 4)])])
    (rule,) = of_kind("NetworkPolicy", world)["spec"]["ingress"]
    assert [p["port"] for p in rule["ports"]] == [1025, 1027]
    assert engine_of(world)["readinessProbe"]["httpGet"] == {"path": "/v2/health/ready", "port": "health"}


@pytest.mark.parametrize(
    ("engine", "limits"),
    [
        ("vllm", ["--max-model-len=8192", "--max-num-seqs=4"]),
        ("sglang", ["--context-length=8192", "--max-running-requests=4"]),
        ("llama.cpp", ["--ctx-size", "32768", "--parallel", "4"]),
    ],
)
def test_every_engine_is_told_what_it_was_sized_for(engine: str, limits: list[str]) -> None:
    settings = {"name": engine, "context": 8192, "concurrency": 4}
    args = engine_of(World(models=[model(engine=settings, model={"file": "m.gguf"}, accelerators=[choice(H20, 2)])]))[
        "args"
    ]
    divided = [] if engine == "llama.cpp" else ["--tensor-parallel-size=2"]
    assert args[-len(limits) - len(divided) :] == [*divided, *limits]


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        return {p: v for key, inner in value.items() for p, v in leaves(inner, f"{path}/{key}").items()}
    if isinstance(value, list):
        named = [(str(v.get("name", i)) if isinstance(v, dict) else str(i), v) for i, v in enumerate(value)]
        return {p: v for key, inner in named for p, v in leaves(inner, f"{path}/{key}").items()}
    return {path: value}


def test_accelerators_differ_in_their_own_parts_alone() -> None:
    ascend, nvidia = (leaves(rendered(on(p, image=None))) for p in (ASCEND, H20))
    different = {p for p in ascend.keys() | nvidia.keys() if ascend.get(p) != nvidia.get(p)}
    allowed = (
        "/containers/engine/image",
        "/containers/engine/command",
        "/containers/engine/resources",
        "/affinity",
        "/tolerations",
        "/env/PYTORCH_NPU",
        # What tells that they differ.
        "/daulat.dev/revision",
        "/kubernetes.io/change-cause",
        "/supplementalGroups",
        "daulat.dev/passwd",
        "/volumeMounts/user",
        "/volumes/user",
    )
    assert [p for p in different if not any(part in p for part in allowed)] == []
    assert any("/resources" in p for p in different)
    assert any("/command" in p for p in different)


def test_switching_the_accelerator_replaces_resource_image_and_command_whole() -> None:
    ascend, nvidia = engine_of(on(ASCEND, image=None)), engine_of(on(H20, 2, image=None))
    assert ascend["resources"] == {k: {ASCEND_RESOURCE: "4"} for k in ("limits", "requests")}
    assert nvidia["resources"] == {k: {NVIDIA_RESOURCE: "2"} for k in ("limits", "requests")}
    assert ascend["command"] == ["vllm", "serve"]
    assert "command" not in nvidia
    assert ("ascend" in ascend["image"], "ascend" in nvidia["image"]) == (True, False)
    assert "PYTORCH_NPU_ALLOC_CONF" in env_of(on(ASCEND))
    assert "PYTORCH_NPU_ALLOC_CONF" not in env_of(on(H20))


def test_a_models_own_image_wins() -> None:
    assert engine_of(on(ASCEND))["image"] == IMAGE


def test_arguments_come_from_engine_accelerator_and_model_in_that_order() -> None:
    world = World(models=[model(engine={"args": ["--a"]}, accelerators=[choice(ASCEND, 4, args=["--b={weights}"])])])
    args = engine_of(world)["args"]
    assert args[0] == "/models"
    assert "--tensor-parallel-size=4" in args
    assert args[-2:] == ["--a", "--b={weights}"]
    assert not any("tensor-parallel" in a for a in engine_of(on(ASCEND, 1))["args"])


OFFLINE = {"DO_NOT_TRACK": "1", "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1", "RAY_USAGE_STATS_ENABLED": "0"}


def test_telemetry_is_off_and_hubs_are_offline() -> None:
    assert env_of(World()).items() >= OFFLINE.items()


def test_a_models_environment_cant_switch_them_on() -> None:
    hostile = dict.fromkeys(OFFLINE, "overridden")
    assert env_of(on(ASCEND, env={**hostile, "OWN": "1"})).items() >= {**OFFLINE, "OWN": "1"}.items()


@pytest.mark.parametrize("name", ["HF_ENDPOINT", "VLLM_SERVER_DEV_MODE", "HF_HUB_OFFLINE"])
def test_a_setting_that_would_switch_a_hub_on_is_told(name: str) -> None:
    snapshot = on(ASCEND, env={name: "0", "FINE": "1"}).snapshot()
    decision = choose(the_model(snapshot), snapshot.governing("treasury"), snapshot)
    assert decision.chosen is not None
    (sentence,) = unusable_settings(the_model(snapshot), decision.chosen)
    assert sentence.startswith(f'spec.accelerators["{ASCEND}"].env["{name}"]: ')


def test_the_scheduler_of_its_accelerator_places_the_pod() -> None:
    assert "schedulerName" not in pod_of(on(ASCEND))
    world = on(ASCEND)
    # The shipped profiles are read once, for all tests.
    world.profiles = deepcopy(world.profiles)
    next(p["spec"] for p in world.profiles if p["metadata"]["name"] == ASCEND)["schedulerName"] = "volcano"
    assert pod_of(world)["schedulerName"] == "volcano"


def test_the_pod_is_restricted() -> None:
    pod, container = pod_of(World()), engine_of(World())
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC", "nodeName", "runtimeClassName"} & set(pod)
    # It tolerates the taint of the accelerator that it asks for, and no other.
    assert pod["tolerations"] == [{"key": "huawei.com/Ascend910", "operator": "Exists"}]
    assert not any("hostPath" in v for v in pod["volumes"])


def test_the_pod_is_pinned_to_every_governing_policy_and_its_zone() -> None:
    world = World(policies=[policy(), policy("two"), policy("off", namespaceSelector={"matchLabels": {"x": "y"}})])
    assert pod_of(world)["nodeSelector"] == {
        PINS + "zone": "cyberjaya-1",
        PINS + "confidential": "eligible",
        PINS + "two": "eligible",
    }


def test_the_pod_is_bound_to_the_product_that_was_chosen() -> None:
    (term,) = pod_of(on(H20))["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    assert term["matchExpressions"] == [{"key": "nvidia.com/gpu.product", "operator": "In", "values": ["NVIDIA-H20"]}]


def test_labels_of_a_profile_cant_undo_a_pin() -> None:
    world = on(ASCEND)
    profile = {**world.profiles[0]}
    names = {PINS + "confidential": "eligible", "chip": "x"}
    profile["spec"] = {**profile["spec"], "nodeSelector": {"matchLabels": names}}
    world.profiles = [profile if p["metadata"]["name"] == profile["metadata"]["name"] else p for p in world.profiles]
    for n in world.nodes:
        n["metadata"]["labels"] |= names
    assert pod_of(world)["nodeSelector"].items() >= {PINS + "confidential": "eligible", "chip": "x"}.items()


def peer(name: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def egress(*allowed: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    policies = [policy(f"p{i}", **({"egress": {"allow": a}} if a is not None else {})) for i, a in enumerate(allowed)]
    rules = of_kind("NetworkPolicy", World(policies=policies))["spec"]["egress"]
    assert [p["port"] for p in rules[0]["ports"]] == [53, 53]
    return [to for rule in rules[1:] for to in rule["to"]]


def test_without_a_word_on_egress_only_dns_is_let_through() -> None:
    assert egress(None) == []
    assert egress([]) == []


def test_egress_is_what_all_policies_allow() -> None:
    assert egress([peer("a"), peer("b")]) == [peer("a"), peer("b")]
    assert egress([peer("a"), peer("b")], [peer("b"), peer("c")]) == [peer("b")]
    assert egress([peer("a")], None) == []
    assert egress(None, [peer("a")]) == []


def test_egress_on_other_ports_is_another_permission() -> None:
    assert egress([{**peer("a"), "ports": [{"port": 443}]}], [peer("a")]) == []


def test_only_the_models_own_namespace_may_ask_and_only_the_engines_port() -> None:
    spec = of_kind("NetworkPolicy", World())["spec"]
    assert spec["policyTypes"] == ["Egress", "Ingress"]
    assert spec["ingress"] == [{"from": [{"podSelector": {}}], "ports": [{"protocol": "TCP", "port": 8000}]}]


def weights(uri: str) -> tuple[dict[str, Any], str]:
    world = World(models=[model(model={"uri": uri})])
    return next(v for v in pod_of(world)["volumes"] if v["name"] == "weights"), engine_of(world)["args"][0]


def test_weights_from_a_registry_are_an_image_volume() -> None:
    volume, path = weights("oci://registry.example.my/m@sha256:" + "1a" * 32)
    assert volume["image"]["reference"] == "registry.example.my/m@sha256:" + "1a" * 32
    assert path == "/models"


@pytest.mark.parametrize(
    ("uri", "claim", "path"),
    [
        ("pvc://claim", "claim", "/models"),
        ("pvc://claim/", "claim", "/models"),
        ("pvc://claim/a/b/", "claim", "/models/a/b"),
    ],
)
def test_weights_from_a_claim_are_mounted_read_only(uri: str, claim: str, path: str) -> None:
    volume, found = weights(uri)
    assert volume["persistentVolumeClaim"] == {"claimName": claim, "readOnly": True}
    assert found == path


def test_the_network_is_closed_before_the_first_pod_comes() -> None:
    cached = {"uri": "s3://models/x", "fetch": {"endpoint": S3, "cache": {"storageClassName": "c", "size": "1Gi"}}}
    world = World(models=[model(model=cached)], zones=[zone(storageClasses=["c"])])
    plain = ["NetworkPolicy", "ServiceAccount", "Service", "PodDisruptionBudget", "Deployment"]
    assert [m["kind"] for m in rendered(World())] == plain
    assert [m["kind"] for m in rendered(world)] == [*plain[:-1], "PersistentVolumeClaim", "Deployment"]


def test_everything_goes_with_its_model() -> None:
    for m in rendered(World()):
        (owner,) = m["metadata"]["ownerReferences"]
        assert (owner["uid"], owner["controller"]) == ("uid-treasury-deepseek", True)
        assert m["metadata"]["namespace"] == "treasury"


def test_a_rollout_needs_no_spare_device() -> None:
    strategy = of_kind("Deployment", World())["spec"]["strategy"]
    assert strategy["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


@pytest.mark.parametrize(
    ("profile", "engine", "marks"),
    [(p, e, e in ("vllm", "sglang")) for p, engines in RUNS.items() for e in engines],
)
def test_a_kubelet_keeps_a_logs_end_only_where_the_engine_marks_that_it_serves(
    profile: str, engine: str, marks: bool
) -> None:
    custom = {"custom": CUSTOM} if engine == "custom" else {}
    found = engine_of(
        World(models=[model(engine={"name": engine, **custom}, model={"file": "m"}, accelerators=[choice(profile, 1)])])
    )
    assert (found.get("terminationMessagePolicy") == "FallbackToLogsOnError") == marks
    assert ("exec" in found["startupProbe"]) == marks


class _Engine(BaseHTTPRequestHandler):
    status = 503

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class calls it so
        """Say nothing."""


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_the_start_probe_marks_that_the_engine_serves_before_it_lets_traffic_in(engine: str, tmp_path: Path) -> None:
    """The rendered command itself, against a server."""
    probe = engine_of(World(models=[model(engine={"name": engine}, accelerators=[choice(H20, 1)])]))["startupProbe"]
    python, *options, script = probe["exec"]["command"]
    assert (python, options) == ("python3", ["-I", "-S", "-c"])
    message = tmp_path / "termination-log"
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Engine)
    script = script.replace("8000", str(server.server_port)).replace("/dev/termination-log", str(message))

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, *options, script], capture_output=True, text=True, check=False)

    try:
        Thread(target=server.serve_forever, daemon=True).start()
        early = run()
        assert (early.returncode, early.stderr.strip()) == (1, "not healthy yet")
        assert not message.exists()
        _Engine.status = 200
        assert run().returncode == 0
        assert message.read_text() == SERVED
        # Where the mark can't be written nothing is let in: no traffic without it.
        message.unlink()
        message.mkdir()
        assert run().returncode == 1
    finally:
        _Engine.status = 503
        server.shutdown()
        server.server_close()
    late = run()
    assert (late.returncode, late.stderr.strip()) == (1, "ConnectionRefusedError")


def test_a_worker_beside_a_replicas_leader_keeps_its_log_to_itself() -> None:
    """Nobody asks it for its health, so nobody would mark that it serves."""
    snapshot = on(H20, 4).snapshot()
    found, policies = the_model(snapshot), snapshot.governing("treasury")
    chosen = choose(found, policies, snapshot).chosen
    assert chosen is not None
    how = loading(found, chosen, policies, snapshot.weights_image)
    leader, worker = (container(found, chosen, how, Member(0, leads, 2, "", "")) for leads in (True, False))
    assert (leader["terminationMessagePolicy"], "exec" in leader["startupProbe"]) == ("FallbackToLogsOnError", True)
    assert "terminationMessagePolicy" not in worker


@pytest.mark.parametrize(
    ("engine", "port", "path"),
    [
        ({"name": "vllm"}, "8000", "/metrics"),
        ({"name": "mindie"}, "1027", "/metrics"),
        ({"name": "custom", "custom": {**CUSTOM, "metricsPath": "/own/metrics"}}, "9000", "/own/metrics"),
    ],
)
def test_the_service_says_where_metrics_are(engine: dict[str, Any], port: str, path: str) -> None:
    world = World(models=[model(engine=engine, accelerators=[choice(ASCEND, 4)])])
    told = of_kind("Service", world)["metadata"]["annotations"]
    assert told == {"prometheus.io/scrape": "true", "prometheus.io/port": port, "prometheus.io/path": path}


def test_a_profile_may_say_how_its_build_of_an_engine_is_probed() -> None:
    world = world_of("intel-gaudi", "vllm")
    world.profiles = [
        {**p, "spec": {**p["spec"], "engines": [{"name": "vllm", **OWN_PROBES}]}}
        for p in world.profiles
        if p["metadata"]["name"] == "intel-gaudi"
    ]
    container = engine_of(world)
    assert {container[p]["httpGet"]["path"] for p in PROBES} == {"/ready"}
    assert 'asked.request("GET", "/ready")' in container["startupProbe"]["exec"]["command"][-1]
    assert container["startupProbe"]["failureThreshold"] * container["startupProbe"]["periodSeconds"] == 7200
    assert of_kind("Service", world)["metadata"]["annotations"]["prometheus.io/path"] == "/stats"


OWN_PROBES = {"healthPath": "/ready", "metricsPath": "/stats", "startupSeconds": 7200}
PROBES = ("readinessProbe", "livenessProbe")


def test_the_engine_may_open_the_devices_of_its_node_and_has_a_name_there() -> None:
    """An NPU's files are a group's alone, and its libraries end for a user without a name; a GPU's are everybody's."""
    pod, container = pod_of(on(ASCEND)), engine_of(on(ASCEND))
    assert pod["securityContext"]["supplementalGroups"] == [1000]
    annotations = of_kind("Deployment", on(ASCEND))["spec"]["template"]["metadata"]["annotations"]
    users = [line.split(":") for line in annotations["daulat.dev/passwd"].splitlines()]
    assert all(len(fields) == 7 for fields in users)
    assert [(u[2], u[3], u[5]) for u in users if u[0] == "daulat"] == [
        (str(pod["securityContext"]["runAsUser"]), str(pod["securityContext"]["runAsGroup"]), "/cache")
    ]
    (mount,) = [m for m in container["volumeMounts"] if m["mountPath"] == "/etc/passwd"]
    (volume,) = [v for v in pod["volumes"] if v["name"] == mount["name"]]
    (item,) = volume["downwardAPI"]["items"]
    assert (mount["subPath"], mount["readOnly"]) == (item["path"], True)
    assert item["fieldRef"] == {"fieldPath": "metadata.annotations['daulat.dev/passwd']"}
    plain = pod_of(on(H20))
    assert "supplementalGroups" not in plain["securityContext"]
    assert not any("downwardAPI" in v for v in plain["volumes"])


@pytest.mark.parametrize("engine", ["vllm", "sglang", "custom"])
def test_the_user_has_a_name_for_whoever_asks_the_environment(engine: str) -> None:
    settings = settings_for(engine)
    assert env_of(World(models=[model(engine=settings, accelerators=[choice(H20, 2)])]))["USER"] == "daulat"


CLAIMED = {"claims": "DynamicResourceAllocation"}


def claiming(count: int = 2, **more: Any) -> World:
    offer = offered("h1", *(device(f"g{n}") for n in range(8)))
    return World(slices=[offer], models=[model(accelerators=[choice(H20, count, **CLAIMED)], **more)])


def test_a_model_by_claims_is_rendered_exactly() -> None:
    assert rendered(claiming()) == list(yaml.safe_load_all((GOLDEN / "nvidia-claims.yaml").read_text()))


def test_a_template_of_claims_comes_before_the_pods_and_another_content_has_another_name() -> None:
    kinds = [m["kind"] for m in rendered(claiming())]
    assert kinds.index("ResourceClaimTemplate") < kinds.index("Deployment")
    names = {of_kind("ResourceClaimTemplate", claiming(count))["metadata"]["name"] for count in (1, 2)}
    assert len(names) == 2
    assert all(name.startswith("deepseek-") for name in names)
    again = claiming(2, replicas=1, engine={"args": ["--x"]})
    assert of_kind("ResourceClaimTemplate", again)["metadata"]["name"] in names


def test_what_the_attributes_tell_is_not_asked_of_nodes_and_what_they_dont_tell_is() -> None:
    claimed = pod_of(claiming())
    assert "affinity" not in claimed
    npu = {"name": "npu-0", "attributes": {"deviceType": {"string": "Ascend910B"}}}
    offer = offered("a1", npu, driver="npu.huawei.com")
    world = World(slices=[offer], models=[model(accelerators=[choice(ASCEND, 1, **CLAIMED)])])
    terms = pod_of(world)["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert terms["nodeSelectorTerms"][0]["matchExpressions"][0]["key"] == "node.kubernetes.io/npu.chip.name"
    assert pod_of(world)["tolerations"] == [{"key": ASCEND_RESOURCE, "operator": "Exists"}]


def test_a_claim_is_what_the_policys_guard_approves() -> None:
    world = claiming()
    snapshot = world.snapshot()
    (policy_,) = snapshot.governing("treasury")
    compiled_ = compile_policy(policy_.name, policy_.spec, snapshot.known_profiles)
    request = Request(
        object=of_kind("ResourceClaimTemplate", world),
        resource="resourceclaimtemplates",
        group="resource.k8s.io",
        namespace="treasury",
        namespace_object={"metadata": {"name": "treasury", "labels": {"daulat.dev/data-class": "confidential"}}},
    )
    assert [v.message for v in evaluate_all(compiled_.refusing, request)] == []
    request.object["spec"]["spec"]["devices"]["requests"][0]["exactly"]["selectors"] = []  # type: ignore[index]
    assert "USE-19 " in " ".join(v.message for v in evaluate_all(compiled_.refusing, request))


GROUPED = {(ASCEND, "vllm", "StatefulSet"), (H20, "sglang", "StatefulSet"), (ASCEND, "vllm", "LeaderWorkerSet")}


def group_of(profile: str, engine: str, backend: str) -> list[dict[str, Any]]:
    """Return what a replica of two nodes becomes."""
    settings = {"name": engine, "context": 32768}
    world = World(
        models=[model(engine=settings, accelerators=[choice(profile, 16, nodes=2)])],
        nodes=[(ascend if profile == ASCEND else h20)(name) for name in ("n1", "n2")],
    )
    return rendered(world, Plan(1, groups=(Group(0, backend=backend),)))


@pytest.mark.parametrize(("profile", "engine", "backend"), sorted(GROUPED))
def test_an_upgrade_of_the_operator_replaces_no_group(profile: str, engine: str, backend: str) -> None:
    folder = GOLDEN if backend == "StatefulSet" else GOLDEN.parent / "golden-groups"
    golden = folder / f"{profile}-{engine}-groups.yaml"
    assert group_of(profile, engine, backend) == list(yaml.safe_load_all(golden.read_text()))


def test_the_revision_is_the_same_whatever_makes_the_pods_of_a_group() -> None:
    revisions = {
        m["metadata"]["annotations"]["daulat.dev/revision"]
        for backend in ("StatefulSet", "LeaderWorkerSet")
        for m in group_of(ASCEND, "vllm", backend)
        if m["kind"] == backend
    }
    assert len(revisions) == 1


def patient(asked: str | None, count: int = 4) -> World:
    """Return a world with a model whose replicas may take their time to end."""
    engine: dict[str, Any] = {} if asked is None else {"engine": {"name": "vllm", "gracePeriod": asked}}
    return World(models=[model(accelerators=[choice(ASCEND, count)], **engine)])


@pytest.mark.parametrize("asked", ["5s", "05s"])
def test_a_model_that_asks_for_the_least_to_end_is_rendered_as_one_that_asks_for_nothing(asked: str) -> None:
    assert yaml.safe_dump(rendered(patient(asked))) == yaml.safe_dump(rendered(patient(None)))


@pytest.mark.parametrize(("asked", "seconds"), [("30s", 30), ("10m", 600), ("1h", 3600)])
def test_a_replica_that_is_to_end_goes_on_for_as_long_as_was_asked(asked: str, seconds: int) -> None:
    deployment = of_kind("Deployment", patient(asked))["spec"]
    pods = deployment["template"]["spec"]
    (engine,) = pods["containers"]
    assert engine["lifecycle"] == {"preStop": {"sleep": {"seconds": seconds}}}
    # The API server wants it to be more than the sleep, and an engine needs some of it to end.
    assert pods["terminationGracePeriodSeconds"] == seconds + 55
    # A kubelet sleeps as well before it starts an engine anew that fails its probes: nobody waits for that one.
    for probe in ("startupProbe", "livenessProbe"):
        assert engine[probe]["terminationGracePeriodSeconds"] == 60
    assert "terminationGracePeriodSeconds" not in engine["readinessProbe"]
    # A new pod may have to wait for what an old one holds.
    usual = of_kind("Deployment", patient(None))["spec"]["progressDeadlineSeconds"]
    assert deployment["progressDeadlineSeconds"] == usual + seconds - 5


@pytest.mark.parametrize(("asked", "waits"), [(None, False), ("5s", False), ("10m", True)])
def test_what_answers_nobody_goes_on_for_as_long_as_its_leader_where_that_was_asked(
    asked: str | None, waits: bool
) -> None:
    snapshot = patient(asked).snapshot()
    found, policies = the_model(snapshot), snapshot.governing("treasury")
    chosen = choose(found, policies, snapshot).chosen
    assert chosen is not None
    how = loading(found, chosen, policies, snapshot.weights_image)
    leader, worker = (container(found, chosen, how, Member(0, leads, 2, "", "")) for leads in (True, False))
    assert worker.get("lifecycle") == (leader["lifecycle"] if waits else None)
    assert not {"startupProbe", "livenessProbe", "readinessProbe", "ports"} & worker.keys()


def test_how_long_a_replica_has_to_end_is_part_of_its_revision() -> None:
    first, second = (
        of_kind("Deployment", patient(asked))["metadata"]["annotations"]["daulat.dev/revision"]
        for asked in ("10m", "11m")
    )
    assert first != second
