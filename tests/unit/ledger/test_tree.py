"""Roots and proofs are RFC 6962's: known answers, and pymerkle as an oracle."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from daulat.ledger.tree import (
    EMPTY_ROOT,
    Node,
    consistency_proof,
    inclusion_proof,
    is_consistent,
    leaf_hash,
    perfect_root,
    root,
    root_by_inclusion,
)

# The leaves and roots that Certificate Transparency's implementations are tested with.
LEAVES = [bytes.fromhex(h) for h in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
LEAVES.append(bytes(range(0x60, 0x70)))
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SIZES = st.integers(1, 300)


def tree_of(leaves: list[bytes]) -> Node:
    def node(level: int, index: int) -> bytes:
        return perfect_root([leaf_hash(leaf) for leaf in leaves[index << level : (index + 1) << level]])

    return node


def numbered(size: int) -> list[bytes]:
    return [str(n).encode() for n in range(size)]


def oracle(leaves: list[bytes]) -> InmemoryTree:
    tree = InmemoryTree(algorithm="sha256")
    for leaf in leaves:
        tree.append_entry(leaf)
    return tree


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_certificate_transparency(size: int) -> None:
    assert root(size, tree_of(LEAVES)).hex() == ROOTS[size]


def test_inclusion_proofs_are_those_of_certificate_transparency() -> None:
    proof = inclusion_proof(5, 8, tree_of(LEAVES))
    assert [h.hex() for h in proof] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


def test_consistency_proofs_are_those_of_certificate_transparency() -> None:
    proof = consistency_proof(6, 8, tree_of(LEAVES))
    assert [h.hex() for h in proof] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


@given(SIZES)
def test_roots_are_those_of_pymerkle(size: int) -> None:
    leaves = numbered(size)
    assert root(size, tree_of(leaves)) == oracle(leaves).get_root()


@given(SIZES, st.data())
def test_an_inclusion_proof_is_that_of_pymerkle_and_leads_to_the_root(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    leaves = numbered(size)
    proof = inclusion_proof(index, size, tree_of(leaves))
    # pymerkle's path begins with the leaf itself, and its indices begin with 1.
    assert proof == oracle(leaves).prove_inclusion(index + 1).path[1:]
    leaf = leaf_hash(leaves[index])
    assert root_by_inclusion(index, size, leaf, proof) == root(size, tree_of(leaves))


@given(SIZES, st.data())
def test_a_consistency_proof_holds_for_the_two_roots_alone(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(0, size))
    node = tree_of(numbered(size))
    before, after = root(old, node), root(size, node)
    proof = consistency_proof(old, size, node)
    assert is_consistent(old, before, size, after, proof)
    assert not is_consistent(old, b"\0" * 32, size, after, proof)
    assert not is_consistent(old, before, size, after, [*proof, after])
    if old:
        assert not is_consistent(old, before, size, b"\0" * 32, proof)
    for n in range(len(proof)):
        assert not is_consistent(old, before, size, after, [*proof[:n], b"\1" * 32, *proof[n + 1 :]])
        assert not is_consistent(old, before, size, after, [*proof[:n], *proof[n + 1 :]])


@given(SIZES, st.data())
def test_a_changed_inclusion_proof_doesnt_lead_to_the_root(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    node = tree_of(numbered(size))
    leaf, expected = node(0, index), root(size, node)
    proof = inclusion_proof(index, size, node)
    assert root_by_inclusion(index, size, b"\1" * 32, proof) != expected
    assert root_by_inclusion(index, size, leaf, [*proof, leaf]) != expected
    for n in range(len(proof)):
        assert root_by_inclusion(index, size, leaf, [*proof[:n], *proof[n + 1 :]]) != expected
    other = data.draw(st.integers(0, size - 1))
    if other != index:
        assert root_by_inclusion(other, size, leaf, proof) != expected


def test_what_isnt_in_a_tree_has_no_proof() -> None:
    node = tree_of(numbered(4))
    with pytest.raises(ValueError, match="leaf 4"):
        inclusion_proof(4, 4, node)
    with pytest.raises(ValueError, match="doesn't contain one of 5"):
        consistency_proof(5, 4, node)
    assert root_by_inclusion(4, 4, node(0, 0), []) is None


def test_an_empty_tree_is_the_beginning_of_any_other() -> None:
    node = tree_of(numbered(3))
    assert is_consistent(0, EMPTY_ROOT, 3, root(3, node), consistency_proof(0, 3, node))
    assert not is_consistent(4, EMPTY_ROOT, 3, root(3, node), [])
