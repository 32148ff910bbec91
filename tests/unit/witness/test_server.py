"""A witness over HTTP: limits, what monitors read, and a disk that fails."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import Request as Http
from urllib.request import urlopen

import pytest

from daulat.ledger.cosigning import SIZE_TYPE
from daulat.ledger.trust import Trust, trusted
from daulat.witness.cosigner import Cosigner, folder_of
from daulat.witness.server import LARGEST, application
from tests.unit.ledger.logs import KEY, NOW, ORIGIN, TRUST, WITNESSES, Memory

from .servers import serving
from .test_cosigner import TRUE


class Disk(Memory):
    """A store whose disk may be full, or whose files may be damaged."""

    full = False

    def put(self, path: str, data: bytes) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        super().put(path, data)


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def url(disk: Disk) -> Iterator[str]:
    with serving(application(Cosigner([WITNESSES[0]], [KEY.verifier()], disk, lambda: NOW))) as url:
        yield url


def send(url: str, body: bytes | None = None) -> tuple[int, bytes, str]:
    try:
        with urlopen(Http(url, data=body)) as response:  # noqa: S310 - the server of this test
            return response.status, response.read(), response.headers["Content-Type"]
    except HTTPError as error:
        return error.code, error.read(), error.headers["Content-Type"]


def test_a_checkpoint_is_cosigned_and_served_to_monitors(url: str) -> None:
    served = f"{url}/{folder_of(ORIGIN)}/checkpoint"
    assert send(served)[0] == 404
    assert send(f"{url}/add-checkpoint", TRUE.request(0, 5))[0] == 200
    status, body, _ = send(served)
    assert status == 200
    assert trusted(body, Trust(TRUST.keys, (WITNESSES[0].verifier(),), 1)) == TRUE.head(5)
    assert send(f"{url}/add-checkpoint", TRUE.request(0, 7))[:3] == (409, b"5\n", SIZE_TYPE)


def test_a_request_that_is_too_large_is_refused(url: str, disk: Disk) -> None:
    assert send(f"{url}/add-checkpoint", TRUE.request(0, 5) + b"\n" * LARGEST)[0] == 413
    assert not disk.files


@pytest.mark.parametrize(
    "path", ["", "/latest", "/checkpoint", f"/{'0' * 64}/checkpoint", f"/{folder_of(ORIGIN)}/latest"]
)
def test_nothing_else_is_served(url: str, path: str) -> None:
    send(f"{url}/add-checkpoint", TRUE.request(0, 5))
    assert send(f"{url}{path}")[0] == 404
    assert send(f"{url}/add-checkpoint")[0] == 405


def test_nothing_is_cosigned_where_the_state_cant_be_kept_or_read(url: str, disk: Disk) -> None:
    disk.full = True
    status, body, _ = send(f"{url}/add-checkpoint", TRUE.request(0, 5))
    assert (status, body) == (500, b"the witness can't keep its state\n")
    disk.full = False
    assert send(f"{url}/add-checkpoint", TRUE.request(0, 5))[0] == 200
    disk.files[f"{folder_of(ORIGIN)}/latest"] = b"damaged"
    # It must not begin anew.
    assert send(f"{url}/add-checkpoint", TRUE.request(0, 7))[0] == 500
    assert send(f"{url}/healthz")[0] == 200
