"""Whether a statement is evidence: trust, keys and their windows, time, revocation, rotation."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.api.attestation import Envelope
from daulat.api.authorities import AttestationRequirements, posix
from daulat.attestation import dsse
from daulat.attestation.judgement import Judgement, Standing, judge
from tests.unit.attestation.statements import AUTHORITY, BEGINS, ENDS, NOW, envelope, public_pem, trust


def judged(signed: Envelope, said: dict[str, Any] | None = None, now: float = NOW) -> Judgement:
    requirements = AttestationRequirements.model_validate(said or trust())
    return judge(signed, dsse.unverified(signed), requirements, now)


def with_window(**window: str) -> dict[str, Any]:
    return {"authorities": [{"name": AUTHORITY, "keys": [{"publicKey": public_pem(), **window}]}]}


def test_a_statement_of_a_trusted_key_within_its_time_is_evidence() -> None:
    assert judged(envelope()) == Judgement(Standing.VALID)


def test_without_trust_nothing_is_evidence() -> None:
    signed = envelope()
    assert judge(signed, dsse.unverified(signed), None, NOW).standing is Standing.UNTRUSTED


def test_a_forged_statement_is_no_evidence() -> None:
    found = judged(envelope(key="forger"))
    assert found == Judgement(Standing.UNTRUSTED, f"no key of authority {AUTHORITY} has signed it")


def test_an_authority_speaks_for_itself_alone() -> None:
    """The key of one trusted authority doesn't sign in the name of another one."""
    both = {
        "authorities": [
            {"name": AUTHORITY, "keys": [{"publicKey": public_pem("one")}]},
            {"name": "other", "keys": [{"publicKey": public_pem("two")}]},
        ]
    }
    assert judged(envelope(key="two", authority="other"), both).standing is Standing.VALID
    assert judged(envelope(key="one", authority="other"), both).standing is Standing.UNTRUSTED
    assert judged(envelope(authority="third"), both).reason == "authority third isn't trusted"


@pytest.mark.parametrize(
    ("now", "standing"),
    [
        (posix(BEGINS) - 1, Standing.EARLY),
        (posix(BEGINS), Standing.VALID),
        (posix(ENDS) - 1, Standing.VALID),
        (posix(ENDS), Standing.EXPIRED),
        (0.0, Standing.EARLY),
        (float("inf"), Standing.EXPIRED),
    ],
)
def test_it_is_valid_from_its_first_moment_to_before_its_last(now: float, standing: Standing) -> None:
    assert judged(envelope(), now=now).standing is standing


def test_a_revoked_statement_is_told_by_serial_number_or_digest() -> None:
    assert judged(envelope(), trust(revoked=["2026-0017"])).standing is Standing.REVOKED
    assert judged(envelope(), trust(revoked=[dsse.digest(envelope())])).standing is Standing.REVOKED
    assert judged(envelope(), trust(revoked=[dsse.digest(envelope()).upper()])).standing is Standing.REVOKED
    assert judged(envelope(), trust(revoked=["2026-0018"])).standing is Standing.VALID


def test_a_revoked_statement_stays_revoked_once_it_has_expired() -> None:
    assert judged(envelope(), trust(revoked=["2026-0017"]), now=posix(ENDS)).standing is Standing.REVOKED


def test_a_stranger_cant_have_a_statement_counted_as_revoked() -> None:
    """Else anyone could apply one that is signed by no one, and have a node's pods evicted."""
    assert judged(envelope(key="forger"), trust(revoked=["2026-0017"])).standing is Standing.UNTRUSTED


def test_keys_rotate_one_after_the_other() -> None:
    old, new = envelope(key="one"), envelope(key="two")
    for trusted, expected in (("one",), (True, False)), (("one", "two"), (True, True)), (("two",), (False, True)):
        assert tuple(judged(e, trust(*trusted)).standing is Standing.VALID for e in (old, new)) == expected


def test_a_key_isnt_good_for_a_statement_beyond_its_own_time() -> None:
    assert judged(envelope(), with_window(notBefore=BEGINS, notAfter=ENDS)).standing is Standing.VALID
    assert judged(envelope(), with_window(notAfter="2027-02-28T00:00:00Z")).standing is Standing.UNTRUSTED
    assert judged(envelope(), with_window(notBefore="2026-12-02T00:00:00Z")).standing is Standing.UNTRUSTED


def test_a_statement_for_a_century_is_limited_by_the_policy() -> None:
    long = envelope(notAfter="2126-12-01T00:00:00Z")
    assert judged(long).standing is Standing.VALID
    found = judged(long, {**trust(), "maxDuration": "2160h"})
    assert found == Judgement(Standing.UNTRUSTED, "it claims a longer time than maxDuration 2160h")
    assert judged(envelope(), {**trust(), "maxDuration": "2160h"}).standing is Standing.VALID
