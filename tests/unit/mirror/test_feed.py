"""How Kopf is set up to watch."""

from __future__ import annotations

import asyncio
import threading
from itertools import islice

import kopf
import pytest

from daulat.catalog.kubernetes import of_version
from daulat.kube.resources import WATCHED
from daulat.mirror.feed import Feed, _login, _NoMemories, _settings, in_cluster_server

TRIES = 10_000


def test_a_kind_that_cant_be_watched_is_tried_for_ever_and_ends_no_other_watch() -> None:
    pauses = _settings(WATCHED).networking.error_backoffs
    assert not isinstance(pauses, int | float)
    found = list(islice(pauses, TRIES))
    assert len(found) == TRIES
    assert 1 <= min(found) <= max(found) <= 30
    # Each request starts with the short pauses.
    assert list(islice(pauses, 3)) == found[:3]


@pytest.mark.parametrize(
    ("host", "port", "server"),
    [
        ("10.96.0.1", "443", "https://10.96.0.1:443"),
        ("fd00::1", "6443", "https://[fd00::1]:6443"),
        ("", "443", ""),
    ],
)
def test_the_watches_of_a_pod_need_no_dns(host: str, port: str, server: str) -> None:
    assert in_cluster_server({"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}) == server


def test_a_pod_logs_in_at_the_address_that_the_kubelet_gives_it(monkeypatch: pytest.MonkeyPatch) -> None:
    account = kopf.ConnectionInfo(server="https://kubernetes.default.svc", token="secret")
    monkeypatch.setattr(kopf, "login_with_kubeconfig", lambda **_: None)
    monkeypatch.setattr(kopf, "login_with_service_account", lambda **_: account)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    found = _login()
    assert found is not None
    assert (found.server, found.token) == ("https://10.96.0.1:443", "secret")


def test_nothing_of_an_object_is_kept_beyond_its_event() -> None:
    memories = _NoMemories()
    raw: kopf.RawBody = {"metadata": {"uid": "u"}}
    first, second = asyncio.run(memories.recall(raw, noticed_by_listing=True)), asyncio.run(memories.recall(raw))
    assert first is not second
    assert first.noticed_by_listing
    assert list(memories.iter_all_memories()) == []


def test_watches_that_end_by_themselves_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kopf waits for the flag in a thread, which asyncio.run waits for."""

    async def operator(*, stop_flag: threading.Event, **_: object) -> None:
        asyncio.get_running_loop().run_in_executor(None, stop_flag.wait)
        raise RuntimeError("404 page not found")

    monkeypatch.setattr(kopf, "operator", operator)
    failed = threading.Event()
    Feed(lambda *event: None, failed.set, of_version()).start()
    assert failed.wait(60)


def test_watches_that_are_stopped_have_not_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def operator(*, stop_flag: threading.Event, **_: object) -> None:
        await asyncio.get_running_loop().run_in_executor(None, stop_flag.wait)

    monkeypatch.setattr(kopf, "operator", operator)
    failed = threading.Event()
    feed = Feed(lambda *event: None, failed.set, of_version())
    feed.start()
    feed.stop()
    assert not feed._thread.is_alive()
    assert not failed.is_set()
