"""Pseudonyms: who is named by a digest, and what the digest tells."""

from __future__ import annotations

import hmac
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daulat.evidence.personal import Attribute, Person, Pseudonyms, is_person, named

SALT = bytes(range(32))


def _refuse(_name: str) -> bytes:
    raise AssertionError("a salt was looked up for a user that is no person")


@pytest.mark.parametrize(
    "name", ["system:serviceaccount:treasury:default", "system:node:gpu-1", "system:kube-scheduler", ""]
)
def test_users_of_kubernetes_itself_stay_readable_and_have_no_salt(name: str) -> None:
    assert not is_person(name)
    assert Pseudonyms(_refuse).user(name) == name


@pytest.mark.parametrize("name", ["alice", "kubernetes-admin", "oidc:alice@example.my", "System:alice", "systemd"])
def test_any_other_name_is_a_persons(name: str) -> None:
    assert is_person(name)
    assert name not in Pseudonyms(lambda _: SALT).user(name)


def test_a_digest_is_half_of_hmac_sha256_under_the_persons_salt() -> None:
    expected = hmac.new(SALT, b"name\0alice", sha256).hexdigest()[:32]
    assert Pseudonyms(lambda _: SALT).user("alice") == f"hmac-sha256-128:{expected}"


def test_another_salt_makes_another_digest_of_the_same_name() -> None:
    assert Person("alice", SALT).pseudonym != Person("alice", SALT[::-1]).pseudonym


def test_an_address_links_no_two_people() -> None:
    salts = {"alice": b"a" * 32, "bob": b"b" * 32}
    pseudonyms = Pseudonyms(salts.__getitem__)
    assert pseudonyms.address("alice", "10.0.0.1") != pseudonyms.address("bob", "10.0.0.1")
    assert pseudonyms.address("alice", "10.0.0.1") == pseudonyms.address("alice", "10.0.0.1")
    assert pseudonyms.address("alice", "") == ""


def test_a_name_that_is_an_address_has_another_digest_than_the_address() -> None:
    person = Person("10.0.0.1", SALT)
    assert person.pseudonym != person.digest(Attribute.ADDRESS, "10.0.0.1")


def test_a_digest_names_the_person_whose_salt_makes_it() -> None:
    people = [Person("alice", b"a" * 32), Person("bob", b"b" * 32)]
    assert named(people[1].pseudonym, people) == people[1]
    assert named(people[1].pseudonym, people[:1]) is None
    assert named("hmac-sha256-128:é", people) is None


@given(st.text(st.characters(codec=None)))
def test_every_text_of_json_has_a_digest(name: str) -> None:
    assert Person(name, SALT).pseudonym.startswith("hmac-sha256-128:")
