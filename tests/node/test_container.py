"""What an engine's container really has, compared with what was rendered; how it ends, and what is told of one that hangs."""

from __future__ import annotations

import http.client
import json
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daulat.catalog.engines import engine
from daulat.workload.container import CACHE, PRESTOP_SECONDS, SHUTDOWN_SECONDS
from daulat.workload.pod import USER
from daulat.workload.weights import MOUNT
from dev.cluster import ClusterError
from dev.cluster.node.model import FILE
from dev.cluster.node.serving import tiny
from dev.deployment import poll
from tests.e2e.world import Manifest

from .container import Container, Limits
from .models import FIRST, Served, Weights, pods_of, serve
from .world import RealWorld

SPACES = ("ipc", "mnt", "net", "pid", "uts")
GIVEN_BY_THE_KUBELET = {"/", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/dev/termination-log"}
MADE_BY_THE_RUNTIME = ("/proc", "/sys", "/dev")
DEVICES = {"full", "null", "random", "tty", "urandom", "zero"}
TOKEN = b"eyJhbGciOi"
"""How every token of a ServiceAccount begins."""
ROOM = {"cpu": "1", "memory": "1Gi"}
GI = 1 << 30


@pytest.fixture
def engine_container(real: RealWorld, served: Served) -> Container:
    """The engine's container as it is now: a test may have had it replaced."""
    return current(real, served)


def current(real: RealWorld, served: Served) -> Container:
    (pod,) = [p for p in pods_of(real, served.namespace) if not p["metadata"].get("deletionTimestamp")]
    return Container.of(real, pod["metadata"]["name"], served.namespace)


def answers(served: Served) -> bool:
    """Whether the model answers: a node may hear of an endpoint a moment after the operator."""
    try:
        return served.chat.answer() == FIRST
    except OSError:
        return False


def test_an_engine_has_the_rights_that_were_rendered_and_namespaces_of_its_own(
    real: RealWorld, served: Served, engine_container: Container
) -> None:
    told = engine_container.identity
    assert set(told["Uid"].split()) == set(told["Gid"].split()) == {str(USER)}
    assert told["Groups"].split() == [str(USER)]
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(told[kind], 16) == 0, kind
    assert told["NoNewPrivs"] == "1"
    assert told["Seccomp"] == "2"
    # Neither those of its node nor those of the machine that the node is on.
    node = real.machine(engine_container.pod["spec"]["nodeName"]).pid
    for kind in SPACES:
        others = {Path(f"/proc/{pid}/ns/{kind}").stat().st_ino for pid in (node, "self")}
        assert engine_container.namespace(kind) not in others, kind
    assert (engine_container.root / "etc/hostname").read_text().strip() == engine_container.pod["metadata"]["name"]


def test_an_engine_has_the_environment_that_was_rendered_and_nothing_else(engine_container: Container) -> None:
    """No proxy, no secret: what the pod doesn't say is the runtime's path and host name, and where the kubelet's API server is."""
    data, found = engine("llama.cpp"), dict(engine_container.environment)
    rendered = {e["name"]: e["value"] for e in engine_container.spec["env"]}
    assert rendered == {**{name: value.replace("{cache}", CACHE) for name, value in data.cache_env.items()}, **data.env}
    assert {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "HOME": "/cache"}.items() <= rendered.items()
    others = {name: value for name, value in found.items() if rendered.get(name) != value}
    assert others.pop("HOSTNAME") == engine_container.pod["metadata"]["name"]
    assert others.pop("PATH").startswith("/usr/")
    # enableServiceLinks is off, but the kubelet names this one Service to everybody.
    assert [name for name in others if not re.match(r"KUBERNETES_(SERVICE|PORT)", name)] == []
    assert rendered.keys() <= found.keys()


def test_an_engine_is_started_with_the_arguments_that_were_rendered(engine_container: Container) -> None:
    assert engine_container.command == ["/app/llama-server", *engine_container.spec["args"]]


def test_an_engine_has_the_mounts_that_were_rendered_and_no_token(engine_container: Container) -> None:
    mounts, wanted = engine_container.mounts, {m["mountPath"]: m for m in engine_container.spec["volumeMounts"]}
    assert wanted.keys() == {MOUNT, CACHE, "/tmp", "/dev/shm"}
    for place, mount in wanted.items():
        assert ("ro" in mounts[place].options) == mount.get("readOnly", False), place
    assert "ro" in mounts["/"].options
    others = mounts.keys() - wanted.keys() - GIVEN_BY_THE_KUBELET
    assert [place for place in others if not place.startswith(MADE_BY_THE_RUNTIME)] == []
    assert not (engine_container.root / "var/run/secrets").exists()
    files = list(engine_container.files())
    assert {"llama-server", FILE} <= {path.name for path in files}
    small = [path for path in files if path.stat().st_size < 1 << 16]
    assert [path for path in small if TOKEN in path.read_bytes()] == []
    devices = engine_container.root / "dev"
    assert {path.name for path in devices.iterdir() if path.is_char_device() and not path.is_symlink()} <= DEVICES


def test_an_engine_can_write_to_its_cache_and_to_nothing_that_lasts(engine_container: Container) -> None:
    writable = [CACHE, "/tmp", "/dev/shm"]
    closed = ["/", "/app", "/etc", MOUNT, "/sys/fs/cgroup", "/sys"]
    found = engine_container.written(*writable, *closed)
    assert [place for place in writable if found[place]] == []
    assert [place for place in closed if not found[place]] == []
    # It isn't the user's rights alone: to root in there the image and the weights are read-only, too.
    assert engine_container.written("/", "/app", "/etc", MOUNT, user=0) == dict.fromkeys(
        ("/", "/app", "/etc", MOUNT), "EROFS"
    )


def test_a_container_without_limits_has_none_but_for_its_shared_memory(
    real: RealWorld, engine_container: Container
) -> None:
    assert set(engine_container.spec["resources"]["limits"]) == {"example.my/cpu-slot"}
    assert engine_container.limits == Limits(memory=None, cpus=None, processes=None)
    (volume,) = [v["emptyDir"] for v in engine_container.pod["spec"]["volumes"] if v["name"] == "shm"]
    assert volume == {"medium": "Memory", "sizeLimit": "16Gi"}
    # A node that has less gives what it has.
    node = real.get("node", engine_container.pod["spec"]["nodeName"])["status"]["allocatable"]["memory"]
    assert shared_memory(engine_container) == min(16 * GI, int(node.removesuffix("Ki")) * 1024)


def shared_memory(container: Container) -> int:
    """Return the size of /dev/shm in bytes."""
    (size,) = [o for o in container.mounts["/dev/shm"].options if o.startswith("size=")]
    return int(size.removeprefix("size=").removesuffix("k")) * 1024


def test_nobody_gets_into_an_engine_that_a_policy_closes(real: RealWorld, served: Served) -> None:
    """Its own program, run in it: where no policy asks, an admin may. Then neither that nor a container beside it."""
    container = current(real, served)
    pod = container.pod["metadata"]["name"]
    real.inside(served.namespace, pod, "/app/llama-server", "--version")

    def refusal(*command: str) -> str:
        try:
            real.admin.run(*command)
        except ClusterError as error:
            return str(error)
        return ""

    debug = {"name": "debug", "image": real.images["client"], "command": ["/bin/sleep", "1000"]}
    beside = json.dumps({"spec": {"ephemeralContainers": [debug]}})
    where = ("--type=strategic", "--subresource=ephemeralcontainers")
    change = ("patch", "pod", pod, "-n", served.namespace, *where, f"--patch={beside}")
    exec_ = ("exec", "-n", served.namespace, pod, "--", "/app/llama-server", "--version")
    with served.under(access={"users": ["auditor"]}):
        poll("a session to be refused", lambda: "MGD-05 " in refusal(*exec_))
        # The guard of pods comes after that of sessions. A container can't be taken back, so nothing is added until it is there.
        poll("a container to be refused", lambda: "MGD-05 " in refusal(*change, "--dry-run=server"))
        assert "MGD-05 " in refusal(*change)
    assert current(real, served).status["containerID"] == container.status["containerID"]
    assert current(real, served).pod["spec"].get("ephemeralContainers") is None


def test_an_engine_that_hangs_is_told_in_words_and_answers_once_it_goes_on(real: RealWorld, served: Served) -> None:
    """Not how its kubelet starts it anew: for that, it must hang for two minutes, and then has another to end."""
    container = current(real, served)
    pod, data = container.pod["metadata"]["name"], engine("llama.cpp")
    liveness = container.spec["livenessProbe"]
    assert liveness["periodSeconds"] * liveness["failureThreshold"] == 120
    container.signal(signal.SIGSTOP)
    try:
        told = real.wait_reason("sovereignmodel", served.name, "Ready", "EngineNotReady", served.namespace)
        assert told["status"] == "False"
        assert f"pod {pod}: container engine runs and fails its readiness probe" in told["message"]
        asked = f'Readiness probe failed: Get "http://{container.pod["status"]["podIP"]}:{data.port}{data.health_path}"'
        poll(
            "an event about it", lambda: any(e["message"].startswith(asked) for e in real.events(pod, served.namespace))
        )
    finally:
        container.signal(signal.SIGCONT)
    served.wait_ready()
    poll("an answer", lambda: answers(served))
    assert current(real, served).status["restartCount"] == 0


@pytest.fixture
def kept(real: RealWorld, served: Served) -> Iterator[Container]:
    """The engine's container, whose pod stays to be seen after its end, until the test is over."""
    container = current(real, served)
    change = ("patch", "pod", container.pod["metadata"]["name"], "-n", served.namespace, "--type=merge")
    real.admin.run(*change, '--patch={"metadata":{"finalizers":["example.my/seen"]}}')
    yield container
    real.admin.run(*change, '--patch={"metadata":{"finalizers":null}}')


def test_an_engine_that_is_to_end_answers_first_and_its_successor_has_the_limits_of_its_namespace(
    real: RealWorld, served: Served, kept: Container
) -> None:
    pod = kept.pod["metadata"]["name"]
    defaults = {"type": "Container", "default": ROOM, "defaultRequest": {"cpu": "100m", "memory": "64Mi"}}
    head = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "slot", "namespace": served.namespace}}
    real.admin.apply([{**head, "spec": {"limits": [defaults]}}])

    # A request that comes before the end does, and that the engine has yet to read when its pod is deleted.
    kept.signal(signal.SIGSTOP)
    asked = served.chat.sent(tokens=300)
    began = time.monotonic()
    real.admin.run("delete", "pod", pod, "-n", served.namespace, "--wait=false")
    kept.signal(signal.SIGCONT)
    answer = json.loads(asked.getresponse().read())
    assert (answer["usage"]["completion_tokens"], answer["choices"][0]["finish_reason"]) == (300, "length")

    poll("its process to end", lambda: not kept.runs)
    assert PRESTOP_SECONDS - 0.5 < time.monotonic() - began < kept.pod["spec"]["terminationGracePeriodSeconds"]

    def ended() -> Manifest:
        (status,) = real.get("pod", pod, namespace=served.namespace)["status"]["containerStatuses"]
        found: Manifest = status["state"].get("terminated", {})
        return found

    # 137 were a kill, 143 an engine that doesn't know how to end.
    poll("its end to be told", lambda: bool(ended()))
    assert (ended()["exitCode"], ended()["reason"]) == (0, "Completed")

    served.wait_ready()
    successor = current(real, served)
    assert successor.spec["resources"]["limits"] == {**ROOM, "example.my/cpu-slot": "1"}
    assert successor.limits == Limits(memory=GI, cpus=1.0, processes=None)
    # A volume in memory is never larger than what its pod may use.
    assert shared_memory(successor) == GI
    poll("an answer", lambda: answers(served))
    real.admin.run("delete", "limitrange", "slot", "-n", served.namespace)


GRACE = 20
"""Seconds that a model asks for: more than the request and a successor take on a slow machine, few enough to wait for."""


def test_a_replica_that_may_take_its_time_answers_what_others_lose(
    real: RealWorld, weights: Weights, place: str, served: Served
) -> None:
    """Both are asked before they are to end, and get to it later than five seconds after."""
    spec = {"engine": {**tiny("", "", "")["spec"]["engine"], "gracePeriod": f"{GRACE}s"}}
    patient = serve(real, weights.uris["second"], place, **spec).now()
    containers = {one.namespace: current(real, one) for one in (patient, served)}
    told = containers[place].pod["spec"]
    assert told["terminationGracePeriodSeconds"] == GRACE + SHUTDOWN_SECONDS
    asked = {}
    for one in (patient, served):
        containers[one.namespace].signal(signal.SIGSTOP)
        asked[one.namespace] = one.chat.sent(tokens=300)
    began = time.monotonic()
    for namespace, container in containers.items():
        real.admin.run("delete", "pod", container.pod["metadata"]["name"], "-n", namespace, "--wait=false")
    poll("the time to be over that others have", lambda: time.monotonic() > began + PRESTOP_SECONDS + 2)
    for container in containers.values():
        container.signal(signal.SIGCONT)
    answer = json.loads(asked[place].getresponse().read())
    assert answer["usage"]["completion_tokens"] == 300
    assert containers[place].runs
    # Its successor is there long before it has ended.
    patient.wait_ready()
    told = real.condition("sovereignmodel", patient.name, "Ready", place)
    assert f"pod {patient.pod} goes on with earlier requests and holds its devices, until " in told["message"]

    hears = asked[served.namespace]
    assert hears.sock is not None
    hears.sock.settimeout(2)
    with pytest.raises((OSError, http.client.HTTPException)):
        hears.getresponse().read()
    containers[served.namespace].kill()

    poll("its process to end", lambda: not containers[place].runs, GRACE + SHUTDOWN_SECONDS)
    assert GRACE - 0.5 < time.monotonic() - began < GRACE + SHUTDOWN_SECONDS
    served.wait_ready()

    # Who deletes it leaves it its own policy, by which it goes on answering, for as long as a process of it is there.
    successor, policy = current(real, patient), ("networkpolicy", patient.name, place)
    real.admin.run("delete", "sovereignmodel", patient.name, "-n", place)
    poll("its Deployment to be gone", lambda: not real.exists("deployment", patient.name, place))
    while successor.runs:
        closed = real.exists(*policy)
        assert closed or not successor.runs
    poll("the policy to go as well", lambda: not real.exists(*policy))
