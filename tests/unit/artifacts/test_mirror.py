"""Names in a registry of one's own: predictable, and never the same for two artefacts."""

from __future__ import annotations

import pytest

from daulat.artifacts.mirror import MirrorError, mirror, moves
from daulat.artifacts.needs import Mention, Need, Role
from daulat.artifacts.reference import parse

DIGESTS = ["sha256:" + each * 32 for each in ("1a", "2b")]


def needs(*texts: str) -> list[Need]:
    where = Mention("f", 1, "Pod p", "image")
    return [Need(Role.WORKLOAD, text, parse(text), (where,)) for text in texts]


def test_an_artefact_keeps_its_repository_tag_and_digest() -> None:
    (move,) = moves(needs(f"ghcr.io/a/b:v1@{DIGESTS[0]}"), mirror("registry.example.my/mirror"))
    assert str(move.destination) == f"registry.example.my/mirror/a/b:v1@{DIGESTS[0]}"


def test_what_has_no_tag_gets_one_so_that_the_registry_keeps_it() -> None:
    (move,) = moves(needs(f"ghcr.io/a/b@{DIGESTS[0]}"), mirror("registry.example.my"))
    assert move.destination.tag == "sha256-1a1a1a1a1a1a"


def test_two_contents_of_a_tag_get_a_tag_each() -> None:
    todo = moves(needs(*(f"ghcr.io/a/b:v1@{digest}" for digest in DIGESTS)), mirror("registry.example.my"))
    assert [move.destination.tag for move in todo] == ["v1", "sha256-2b2b2b2b2b2b"]


def test_one_name_for_two_artefacts_is_refused_unless_their_hosts_are_kept() -> None:
    both = needs("ghcr.io/a/b:v1", "quay.io/a/b:v1")
    with pytest.raises(MirrorError, match=r"ghcr\.io/a/b and quay\.io/a/b would both be registry\.example\.my/a/b"):
        moves(both, mirror("registry.example.my"))
    todo = moves([*both, *needs("host:5000/a/b:v1")], mirror("registry.example.my", keep_host=True))
    assert [move.destination.name for move in todo] == [
        f"registry.example.my/{host}/a/b" for host in ("ghcr.io", "host-5000", "quay.io")
    ]


def test_what_is_there_already_isnt_moved() -> None:
    assert moves(needs("registry.example.my/mirror/a:v1"), mirror("registry.example.my/mirror")) == []
    assert len(moves(needs("registry.example.my/mirror2/a:v1"), mirror("registry.example.my/mirror"))) == 1


@pytest.mark.parametrize(
    ("prefix", "kept", "plain"),
    [
        ("ghcr.io/", "registry.example.my/m/ghcr.io/", "registry.example.my/m/"),
        ("ghcr.io/daulat/", "registry.example.my/m/ghcr.io/daulat/", "registry.example.my/m/daulat/"),
        ("registry.example.my/m/a/", "registry.example.my/m/a/", "registry.example.my/m/a/"),
    ],
)
def test_a_policys_prefix_moves_with_what_it_allows(prefix: str, kept: str, plain: str) -> None:
    assert mirror("registry.example.my/m").prefixed(prefix) == plain
    assert mirror("registry.example.my/m/", keep_host=True).prefixed(prefix) == kept


@pytest.mark.parametrize("text", ["", "mirror", "https://registry.example.my", "registry.example.my/A", "a.b/c d"])
def test_what_is_no_registry_is_refused(text: str) -> None:
    with pytest.raises(MirrorError):
        mirror(text)
