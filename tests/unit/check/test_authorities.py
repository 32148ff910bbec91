"""A policy with a key that can never verify anything is a mistake that ``daulat check`` tells."""

from __future__ import annotations

import pytest

from daulat.api.requirements import ZoneRequirements
from daulat.check.authorities import unusable
from tests.unit.attestation.statements import public_pem
from tests.unit.check.scene import policy, problems

NO_KEY = "-----BEGIN PUBLIC KEY-----\nQUJD\n-----END PUBLIC KEY-----\n"


def zones(*keys: str) -> dict[str, object]:
    """Return requirements with an authority that has these keys."""
    authority = {"name": "my-inspectorate", "keys": [{"publicKey": key} for key in keys]}
    return {"minimumEvidence": "attested", "attestations": {"authorities": [authority]}}


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (public_pem("one", "rsa"), "a key of another kind; Ed25519 and ECDSA on P-256 are accepted"),
        (public_pem("one", "p384"), "a key of another kind; Ed25519 and ECDSA on P-256 are accepted"),
        (NO_KEY, "not a public key as PEM"),
    ],
    ids=["rsa", "p384", "none"],
)
def test_a_key_that_verifies_nothing_is_named_with_its_place(key: str, why: str) -> None:
    (found,) = unusable(ZoneRequirements.model_validate(zones(public_pem(), key)))
    path, message = found
    assert path == ("zones", "attestations", "authorities", 0, "keys", 1, "publicKey")
    assert message.startswith(why)


def test_keys_that_are_accepted_are_no_mistake() -> None:
    made = ZoneRequirements.model_validate(zones(public_pem(), public_pem("one", "p256")))
    assert list(unusable(made)) == []
    assert list(unusable(ZoneRequirements())) == []


def test_check_tells_it_with_file_and_line() -> None:
    (found,) = problems(policy(zones=zones(NO_KEY)))
    assert found.startswith("object-0.json:")
    assert "spec.zones.attestations.authorities[0].keys[0].publicKey: not a public key as PEM" in found


def test_attested_without_whom_to_trust_is_refused() -> None:
    (found,) = problems(policy(zones={"minimumEvidence": "attested"}))
    assert "minimumEvidence attested requires attestations" in found
