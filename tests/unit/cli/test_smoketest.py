"""`daulat smoke-test` says what doesn't hold, and passes only what was seen to hold."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from daulat.api.kinds import KINDS
from daulat.cli import smoketest
from daulat.cli.cluster import Reader
from daulat.kube.errors import RequestError, api_error

REFUSED = api_error(403, "Forbidden", "denied request: MGD-07 metadata.name: user ... created SovereignZone", None)


class Server:
    """What the command asks for. Its Lease is renewed by each look at it, unless `renewed` is false."""

    def __init__(self, answer: RequestError | None = REFUSED, *, holder: str = "pod-1", renewed: bool = True) -> None:
        self.answer, self.holder, self.renewed = answer, holder, renewed
        self.kinds = [k.plural for k in KINDS]
        self.looks = 0

    async def get(self, path: str) -> dict[str, Any] | None:
        assert path == "/apis/coordination.k8s.io/v1/namespaces/daulat-system/leases/daulat-operator"
        self.looks += self.renewed
        return {"spec": {"holderIdentity": self.holder, "renewTime": str(self.looks)}}

    async def request(
        self, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        if method == "GET":
            return {"resources": [{"name": name} for name in (*self.kinds, "sovereignmodels/status")]}
        assert (path, query) == ("/apis/daulat.dev/v1alpha1/sovereignzones", {"dryRun": "All"}), "nothing is kept"
        if self.answer is not None:
            raise self.answer
        return {}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoketest, "POLL_SECONDS", 0.0)


def problems(server: Server, *, guarded: bool = True) -> list[str]:
    reader = Reader(server)  # type: ignore[arg-type]
    found = asyncio.run(smoketest._found(reader, "daulat-system", 0.05, "text", guarded=guarded))
    return [each.text for each in found if each.result == "problem"]


def test_an_installation_that_leads_and_refuses_has_no_problem(capsys: pytest.CaptureFixture[str]) -> None:
    assert problems(Server()) == []
    assert capsys.readouterr().out.count("ok: ") == 3


@pytest.mark.parametrize(
    ("server", "said"),
    [
        (Server(holder=""), "no operator holds Lease daulat-system/daulat-operator"),
        (Server(renewed=False), "Lease daulat-system/daulat-operator of pod-1 wasn't renewed"),
        (Server(answer=None), "the API server would accept a SovereignZone of this user"),
        (Server(api_error(403, "Forbidden", "cannot create resource", None)), "not by the guard MGD-07: cannot create"),
    ],
)
def test_what_doesnt_hold_is_told(server: Server, said: str) -> None:
    (found,) = problems(server)
    assert said in found


def test_a_kind_that_isnt_served_is_named() -> None:
    server = Server()
    server.kinds.remove("sovereignzones")
    assert problems(server)[0].startswith("the API server doesn't serve sovereignzones.")


def test_without_guards_none_is_tried(capsys: pytest.CaptureFixture[str]) -> None:
    assert problems(Server(answer=None), guarded=False) == []
    assert "skipped: whether the guards refuse" in capsys.readouterr().out


def test_for_a_program_nothing_is_printed_in_between(capsys: pytest.CaptureFixture[str]) -> None:
    reader = Reader(Server(holder=""))  # type: ignore[arg-type]
    found = asyncio.run(smoketest._found(reader, "daulat-system", 0.05, "json", guarded=True))
    assert [each.result for each in found] == ["ok", "problem", "ok"]
    assert capsys.readouterr().out == ""
