"""Lists are read by page, and what isn't a success has a type."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from daulat.api.kinds import Manifest
from daulat.kube.client import PAGE, Client
from daulat.kube.errors import Forbidden, Gone, NoAnswer, NotFound, RequestError
from daulat.kube.resources import BY_KIND, Resource

from .api_server import FakeApiServer, serving

PODS = BY_KIND["Pod"]


def pages_of(
    api: FakeApiServer, folder: Path, monkeypatch: pytest.MonkeyPatch, resource: Resource = PODS, namespace: str = ""
) -> list[tuple[Sequence[Manifest], int]]:
    monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(folder)))

    async def read() -> list[tuple[Sequence[Manifest], int]]:
        client = await Client.from_kubeconfig()
        try:
            return [page async for page in client.pages(resource, namespace)]
        finally:
            await client.close()

    return asyncio.run(read())


def test_a_list_comes_by_page_and_misses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"p{n}" for n in range(2 * PAGE + 1)]
    api = FakeApiServer({PODS.path(): [{"metadata": {"name": n}} for n in names]})
    with serving(api):
        pages = pages_of(api, tmp_path, monkeypatch)
    assert [len(items) for items, _ in pages] == [PAGE, PAGE, 1]
    assert [item["metadata"]["name"] for items, _ in pages for item in items] == names
    assert {version for _, version in pages} == {7}


def test_a_list_is_narrowed_by_labels_fields_and_namespace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = "/api/v1/namespaces/treasury/pods"
    api = FakeApiServer({path: []})
    with serving(api):
        ((items, _),) = pages_of(api, tmp_path, monkeypatch, PODS, "treasury")
    (request,) = api.requests
    assert items == []
    assert request.partition("?")[0] == path
    assert parse_qs(request.partition("?")[2]) == {"limit": [str(PAGE)], "fieldSelector": [PODS.fields]}


@pytest.mark.parametrize(("status", "error"), [(403, Forbidden), (404, NotFound), (410, Gone)])
def test_an_answer_that_isnt_a_success_is_raised(
    status: int, error: type[RequestError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = FakeApiServer(refusals={PODS.path(): (status, "why")})
    with serving(api), pytest.raises(error, match="why"):
        pages_of(api, tmp_path, monkeypatch)


def test_a_timeout_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def late(*_: object, **__: object) -> None:
        raise TimeoutError

    monkeypatch.setattr("kubernetes.aio.client.ApiClient.call_api", late)
    with serving(FakeApiServer()) as api, pytest.raises(NoAnswer, match=r"^no answer within 8 s$"):
        pages_of(api, tmp_path, monkeypatch)


def test_a_server_that_isnt_there_gives_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(FakeApiServer()) as api:
        pass
    with pytest.raises(NoAnswer):
        pages_of(api, tmp_path, monkeypatch)
