"""Which Kubernetes a development cluster is: what is built for it, which arguments it gets, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dev.cluster import EmbeddedCluster, __main__, build, state, toolchain
from dev.cluster.addons import fetch
from dev.cluster.build import CONTROL_PLANE, Binaries, Suite
from dev.cluster.components import API_ONLY, ORDER
from dev.cluster.errors import ClusterError
from dev.cluster.kubernetes import versions
from dev.cluster.kubernetes.choice import choose

OLDER = [minor for minor in versions.NAMES if minor != versions.NEWEST]


@pytest.fixture(autouse=True)
def _an_empty_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(versions.VARIABLE, raising=False)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("CLUSTER", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the programs that are built from now on; none really is."""
    names: list[str] = []

    def ensure(_say: object, suite: Suite = CONTROL_PLANE) -> Binaries:
        names.extend(suite.names)
        return Binaries(build.directory(suite))

    monkeypatch.setattr(build, "ensure", ensure)
    return names


def go_mod(minor: str) -> str:
    return (versions.FOLDER / minor / "go.mod").read_text()


# --- what is built


def test_versions_are_listed_from_the_oldest_to_the_newest() -> None:
    numbers = [tuple(map(int, minor.split("."))) for minor in versions.NAMES]
    assert numbers == sorted(numbers)
    assert (versions.OLDEST, versions.NEWEST) == ("1.30", "1.37")


@pytest.mark.parametrize("minor", OLDER)
def test_a_version_is_built_from_its_own_modules_alone(minor: str) -> None:
    """One of another minor version among the staging modules would be an API server that no one runs."""
    text = go_mod(minor)
    assert build.kubernetes_version(text).startswith(f"v{minor}.")
    replaced = dict(re.findall(r"^\t(k8s\.io/\S+) => \1 v0\.(\S+)$", text, re.MULTILINE))
    assert {"k8s.io/api", "k8s.io/apiserver", "k8s.io/apiextensions-apiserver"} <= set(replaced)
    assert {version.rpartition(".")[0] for version in replaced.values()} == {minor.removeprefix("1.")}


def test_the_newest_version_is_that_of_the_control_plane() -> None:
    assert build.kubernetes_version((CONTROL_PLANE.module / "go.mod").read_text()).startswith(f"v{versions.NEWEST}.")


@pytest.mark.parametrize("minor", OLDER)
def test_each_program_of_a_version_is_a_tool_of_its_go_mod(minor: str) -> None:
    tools = set(re.findall(r"^\tk8s\.io/kubernetes/cmd/(\S+)$", go_mod(minor), re.MULTILINE))
    assert tools == {*versions.apiserver_suite(minor).names, *versions.controllers_suite(minor).names}


@pytest.mark.parametrize("minor", OLDER)
def test_the_pinned_go_builds_every_version(minor: str) -> None:
    pinned = toolchain.parse_version(f"go {toolchain.pinned_wheel()}")
    assert pinned is not None
    assert toolchain.required_version(go_mod(minor)) <= pinned


@pytest.mark.parametrize("minor", OLDER)
def test_go_behaves_as_in_the_release(minor: str) -> None:
    """Compiled by a newer Go, an older release keeps the behaviour of the Go that it was written for."""
    set_to = re.search(r"^godebug default=go(\d+\.\d+)$", go_mod(minor), re.MULTILINE)
    releases = {"1.30": "1.22", "1.32": "1.23", "1.34": "1.24", "1.35": "1.25", "1.36": "1.26"}
    behaves_as = set_to[1] if set_to else ".".join(map(str, toolchain.required_version(go_mod(minor))[:2]))
    assert behaves_as == releases[minor]


def test_binaries_of_versions_lie_apart_and_are_named_by_version() -> None:
    suites = [make(minor) for minor in OLDER for make in (versions.apiserver_suite, versions.controllers_suite)]
    directories = [build.directory(suite) for suite in suites]
    assert len(set(directories)) == len(suites)
    assert [path.name.partition("-")[0] for path in directories] == [minor for minor in OLDER for _ in range(2)]


def test_builds_of_two_versions_dont_share_a_lock_or_a_log() -> None:
    """The dot of a version begins no suffix."""
    places = [build.directory(versions.apiserver_suite(minor)) for minor in ("1.30", "1.32")]
    assert len({build.beside(place, ".lock") for place in places}) == 2


def test_for_the_api_alone_no_controllers_are_built(built: list[str]) -> None:
    binaries = versions.ensure("1.30", print, controllers=False)
    assert built == [*CONTROL_PLANE.names, "kube-apiserver"]
    assert Path(binaries["kube-apiserver"]).parent.name.startswith("1.30-")
    assert Path(binaries["etcd"]).parent == build.directory()


def test_controllers_are_of_the_version_of_the_api_server(built: list[str]) -> None:
    binaries = versions.ensure("1.34", print, controllers=True)
    assert built[len(CONTROL_PLANE.names) :] == ["kube-apiserver", "kube-controller-manager", "kube-scheduler"]
    for name in built[len(CONTROL_PLANE.names) :]:
        assert Path(binaries[name]).parent.name.startswith("1.34-")


def test_the_newest_version_has_no_build_of_its_own(built: list[str]) -> None:
    assert Path(versions.ensure(versions.NEWEST, print, controllers=True)["kube-apiserver"]).parent == build.directory()
    assert built == list(CONTROL_PLANE.names)


# --- which version


def test_a_cluster_is_of_the_newest_version_unless_the_environment_names_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert versions.find().minor == versions.NEWEST
    monkeypatch.setenv(versions.VARIABLE, "1.32")
    assert versions.find().minor == "1.32"
    assert versions.find("1.35").minor == "1.35"


@pytest.mark.parametrize("name", ["1.29", "1.31", "1.30.14", "v1.30", "newest"])
def test_an_unknown_version_is_refused_with_those_that_there_are(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = rf"there is no Kubernetes {name} here: there are 1\.30, 1\.32, 1\.34, 1\.35, 1\.36, 1\.37\."
    with pytest.raises(ClusterError, match=known):
        EmbeddedCluster("c", kubernetes=name)
    monkeypatch.setenv(versions.VARIABLE, name)
    with pytest.raises(ClusterError, match=known):
        EmbeddedCluster("c")


# --- what is switched on


def test_nothing_is_switched_on_by_default() -> None:
    for minor in versions.NAMES:
        chosen = choose(minor, (), (), api_only=False)
        assert (chosen.apiserver_arguments(), chosen.gates()) == ([], [])


@pytest.mark.parametrize("minor", ["1.34", "1.35"])
def test_the_beta_of_pinning_is_a_gate_and_a_group_version(minor: str) -> None:
    chosen = choose(minor, ["pin=v1beta1"], (), api_only=False)
    assert chosen.gates() == ["--feature-gates=MutatingAdmissionPolicy=true"]
    assert chosen.apiserver_arguments() == [
        "--feature-gates=MutatingAdmissionPolicy=true",
        "--runtime-config=admissionregistration.k8s.io/v1beta1=true",
    ]


def test_gates_of_several_features_are_one_argument() -> None:
    gates = choose("1.34", ["pin=v1beta1", "image-volumes"], (), api_only=False).gates()
    assert gates == ["--feature-gates=MutatingAdmissionPolicy=true,ImageVolume=true"]


@pytest.mark.parametrize(
    ("minor", "has"),
    [("1.30", "there is none"), ("1.32", "there are dra=v1beta1"), ("1.36", "there are static-manifests")],
)
def test_a_feature_that_a_version_has_not_is_refused(minor: str, has: str) -> None:
    with pytest.raises(ClusterError, match=rf"Kubernetes {minor} has no feature pin=v1beta1 to switch on: {has}\."):
        EmbeddedCluster("c", kubernetes=minor, features=["pin=v1beta1"])


def test_admission_plugins_are_added_to_those_of_every_cluster() -> None:
    arguments = choose("1.30", (), ["PodNodeSelector", "AlwaysPullImages"], api_only=True).apiserver_arguments()
    assert arguments == ["--enable-admission-plugins=PodNodeSelector,AlwaysPullImages"]


# --- what runs already, and what can't be


def running(**fields: object) -> state.Record:
    return state.Record("embedded", **fields)  # type: ignore[arg-type]


def test_a_running_cluster_of_another_version_is_not_joined() -> None:
    record = running(kubernetes="1.34")
    with pytest.raises(ClusterError, match=r"cluster c runs Kubernetes 1\.34: take it down first"):
        choose("1.35", (), (), api_only=False).check_same("c", record)
    choose("1.34", (), (), api_only=False).check_same("c", record)
    choose("", (), (), api_only=False).check_same("c", record)


def test_a_cluster_from_before_there_were_versions_is_of_the_newest() -> None:
    choose(versions.NEWEST, (), (), api_only=False).check_same("c", running())
    with pytest.raises(ClusterError, match=rf"runs Kubernetes {re.escape(versions.NEWEST)}"):
        choose("1.30", (), (), api_only=False).check_same("c", running())


def test_a_cluster_without_controllers_serves_only_who_needs_none() -> None:
    record = running(kubernetes=versions.NEWEST, components=API_ONLY)
    choose("", (), (), api_only=True).check_same("c", record)
    with pytest.raises(ClusterError, match="cluster c has no controllers"):
        choose("", (), (), api_only=False).check_same("c", record)
    choose("", (), (), api_only=True).check_same("c", running(components=ORDER))


def test_nodes_and_addons_need_controllers(built: list[str]) -> None:
    with pytest.raises(ClusterError, match="nodes and add-ons need the controllers"):
        EmbeddedCluster("c", api_only=True, addons=["kueue"]).up()
    assert built == []


def test_real_nodes_are_refused_on_an_older_api_server(built: list[str]) -> None:
    """A kubelet may not be newer than its API server."""
    scenario = Path(__file__).parents[3] / "dev" / "scenarios" / "real-nodes.yaml"
    with pytest.raises(ClusterError, match=rf"real nodes are of Kubernetes {re.escape(versions.NEWEST)}"):
        EmbeddedCluster("c", kubernetes="1.34").up(scenario)
    assert built == []


def test_a_record_keeps_version_and_components() -> None:
    record = running(kubernetes="1.30", components=API_ONLY)
    state.save(state.directory("c"), record)
    assert state.load(state.directory("c")) == record


# --- the command line


@pytest.fixture
def brought_up(monkeypatch: pytest.MonkeyPatch) -> list[EmbeddedCluster]:
    """Return the clusters that are brought up; none really is."""
    clusters: list[EmbeddedCluster] = []
    monkeypatch.setattr(EmbeddedCluster, "up", lambda self, _scenario=None: clusters.append(self))
    monkeypatch.setattr(EmbeddedCluster, "kubeconfig", lambda *_: Path("kubeconfig"))
    return clusters


def test_the_command_line_chooses(brought_up: list[EmbeddedCluster]) -> None:
    words = "up --kubernetes 1.34 --feature pin=v1beta1 --admission-plugin PodNodeSelector --api-only"
    assert __main__.main(words.split()) == 0
    (cluster,) = brought_up
    assert cluster._choice == choose("1.34", ["pin=v1beta1"], ["PodNodeSelector"], api_only=True)


def test_a_version_is_for_an_embedded_cluster(
    brought_up: list[EmbeddedCluster], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLUSTER", "kind")
    assert __main__.main(["up", "--kubernetes", "1.34"]) == 2
    assert "for an embedded cluster, and dev is of kind kind" in capsys.readouterr().err
    assert brought_up == []


@pytest.mark.parametrize(("words", "programs"), [("--api-only", 1), ("", 4)])
def test_build_makes_what_is_asked_for(
    words: str, programs: int, built: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fetched: list[Callable[[str], None]] = []
    monkeypatch.setattr(fetch, "ensure", fetched.append)
    assert __main__.main(["build", "--kubernetes", "1.30", *words.split()]) == 0
    assert len(built) == len(CONTROL_PLANE.names) + programs
    printed = capsys.readouterr().out.split()
    assert printed[0] == str(build.directory())
    assert all("/1.30-" in line for line in printed[1:])
    assert len(printed) == (2 if words else 3)
