"""A kubeconfig is found as kubectl finds it, and what is wrong with it is one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from daulat.kube import kubeconfig
from daulat.kube.kubeconfig import Kubeconfig, KubeconfigError, find_kubeconfig

GOOD = """
current-context: office
contexts:
- {name: office, context: {cluster: c, user: u, namespace: treasury}}
- {name: lab, context: {cluster: c, user: u}}
"""


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def written(folder: Path, text: str, name: str = "config") -> str:
    at = folder / name
    at.write_text(text)
    return str(at)


def test_the_current_context_counts_with_its_namespace(somewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = written(somewhere, GOOD)
    monkeypatch.setenv("KUBECONFIG", at)
    assert find_kubeconfig() == Kubeconfig((at,), "office", "treasury")
    assert find_kubeconfig("lab") == Kubeconfig((at,), "lab", "default")


def test_without_the_variable_the_file_in_the_home_directory_counts(somewhere: Path) -> None:
    (somewhere / ".kube").mkdir()
    at = written(somewhere / ".kube", GOOD)
    assert find_kubeconfig().paths == (at,)


def test_of_several_files_those_that_exist_count_and_the_first_value_of_each(
    somewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contexts = "contexts:\n- {name: office, context: {namespace: first}}\n"
    first, second = written(somewhere, contexts, "a"), written(somewhere, GOOD, "b")
    monkeypatch.setenv("KUBECONFIG", f"{first}:{somewhere}/missing:{second}")
    assert find_kubeconfig() == Kubeconfig((first, second), "office", "first")


def test_in_a_pod_its_service_account_counts(somewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(somewhere, "token", "token")
    written(somewhere, "audit", "namespace")
    monkeypatch.setattr(kubeconfig, "_SERVICE_ACCOUNT", somewhere)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert find_kubeconfig() == Kubeconfig((), "", "audit")
    with pytest.raises(KubeconfigError, match="no kubeconfig found"):
        find_kubeconfig("office")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "kubeconfig {} sets no current-context: add --context NAME, or run kubectl config use-context NAME"),
        ("contexts: 1\n", "kubeconfig {} sets no current-context: "),
        ("current-context: gone\n", 'kubeconfig {} has no context "gone"; its contexts: none'),
        (
            GOOD.replace("current-context: office", "current-context: ofice"),
            'no context "ofice"; its contexts: lab, office',
        ),
        ("a: 1\n: {\n", "kubeconfig {} isn't YAML at line 2"),
        ("just text\n", "kubeconfig {} isn't a kubeconfig: it holds no fields"),
        ("- a\n", "kubeconfig {} isn't a kubeconfig: it holds no fields"),
    ],
)
def test_what_is_wrong_is_one_sentence(somewhere: Path, monkeypatch: pytest.MonkeyPatch, text: str, says: str) -> None:
    at = written(somewhere, text)
    monkeypatch.setenv("KUBECONFIG", at)
    with pytest.raises(KubeconfigError) as error:
        find_kubeconfig()
    assert says.format(at) in str(error.value)
    assert "\n" not in str(error.value)


def test_no_kubeconfig_is_told_with_where_it_was_looked_for(somewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KubeconfigError) as error:
        find_kubeconfig()
    assert str(error.value) == f"no kubeconfig found: KUBECONFIG isn't set, and {somewhere}/.kube/config doesn't exist"
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    with pytest.raises(KubeconfigError, match="KUBECONFIG is /nowhere, and no such file exists"):
        find_kubeconfig()
    monkeypatch.setenv("KUBECONFIG", str(somewhere))
    with pytest.raises(KubeconfigError, match="can't be read: Is a directory"):
        find_kubeconfig()
