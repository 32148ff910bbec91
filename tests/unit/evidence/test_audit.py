"""What entries a batch of audit events comes to, and what never gets into one."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daulat.evidence.audit.acts import Reader
from daulat.evidence.audit.batch import Origin, Reading, read
from daulat.evidence.audit.entries import ENTRIES, Source
from daulat.evidence.audit.seen import Seen
from daulat.evidence.personal import Pseudonyms
from daulat.ledger.entry import canonical

from .audits import OPERATOR, REFUSAL, event, event_list, lines, refused, session

PSEUDONYMS = Pseudonyms(lambda name: name.encode().ljust(32))
READER = Reader(PSEUDONYMS, OPERATOR)
ALICE = PSEUDONYMS.user("alice")
WARNED = json.dumps(
    [
        {
            "message": 'USE-04 spec.nodeName: "x" was set; policy confidential leaves placement to the scheduler. Remove it.',
            "policy": "confidential.pods.warn.daulat.dev",
            "binding": "confidential.pods.warn.daulat.dev",
            "expressionIndex": 0,
            "validationActions": ["Warn", "Audit"],
        }
    ]
)
ANNOTATION = "validation.policy.admission.k8s.io/validation_failure"


def reading(*events: object, seen: Container[bytes] = (), revisions: Mapping[str, str] | None = None) -> Reading:
    return read(event_list(*events), Origin(Source.WEBHOOK), READER, seen, revisions)


def drafts(*events: object, **options: Any) -> list[tuple[str, dict[str, Any]]]:
    """Return kind and data of what the events come to, without the batch's own entry."""
    found = reading(*events, **options)
    assert found.drafts[0].kind == "AuditBatch"
    return [(d.kind, dict(d.data)) for d in found.drafts[1:]]


def only(*events: object, **options: Any) -> tuple[str, dict[str, Any]]:
    (found,) = drafts(*events, **options)
    return found


def test_a_refusal_says_who_was_refused_what_by_which_policy_and_why() -> None:
    kind, data = only(refused(), revisions={"confidential": "0ee4e80afaba"})
    assert kind == "Refused"
    assert data == {
        "by": ALICE,
        "groups": ["system:masters"],
        "address": PSEUDONYMS.address("alice", "10.0.0.7"),
        "at": "2026-11-30T00:59:28.038671Z",
        "audit": "11d64fcf-01d9-426d-94fb-98a33c922504",
        "batch": reading(refused()).digest,
        "verb": "create",
        "on": {"resource": "pods", "namespace": "treasury", "name": "p"},
        "admission": "confidential.pods.daulat.dev",
        "policy": "confidential",
        "revision": "0ee4e80afaba",
        "violations": ["USE-04 spec.nodeName", "STO-07 spec.containers[].image"],
    }


@pytest.mark.parametrize(
    ("admission", "policy"),
    [
        ("a.b.pods.daulat.dev", "a.b"),
        ("confidential.sessions.daulat.static.k8s.io", "confidential"),
        ("nodes.cluster.daulat.dev", ""),
    ],
)
def test_the_policy_is_read_from_the_name_of_the_admission_policy(admission: str, policy: str) -> None:
    _, data = only(refused(REFUSAL.replace("confidential.pods.daulat.dev", admission)))
    assert (data["admission"], data.get("policy", "")) == (admission, policy)


@pytest.mark.parametrize(
    "message",
    [
        REFUSAL.replace("daulat.dev", "example.com"),
        'pods "p" is forbidden: User "alice" cannot create resource "pods"',
        # A name that a client chose, as the API server quotes it.
        'pods "x\\" is forbidden: ' + REFUSAL.partition("forbidden: ")[2].replace('"', '\\"') + '" not found',
        "admission webhook denied: " + REFUSAL,
    ],
)
def test_a_refusal_by_others_is_no_entry(message: str) -> None:
    assert drafts(refused(message)) == []


def test_what_a_policy_only_warns_of_is_told_as_admitted() -> None:
    kind, data = only(event(annotations={ANNOTATION: WARNED}))
    assert kind == "ViolationAdmitted"
    assert (data["policy"], data["violations"]) == ("confidential", ["USE-04 spec.nodeName"])


def test_a_request_that_failed_otherwise_was_not_admitted() -> None:
    assert drafts(refused('pods "p" already exists', 409, annotations={ANNOTATION: WARNED})) == []


@pytest.mark.parametrize("annotation", ["[", "{}", '[{"policy": 1}]', "[" * 5000])
def test_an_annotation_that_cannot_be_read_is_no_violation(annotation: str) -> None:
    assert drafts(event(annotations={ANNOTATION: annotation})) == []


def test_a_refusal_has_no_value_that_a_user_sent() -> None:
    secret = REFUSAL.replace("docker.io/x:1", "hunter2").replace('["main"]', '["hunter2 :"]')
    (data,) = [d.data for d in reading(refused(secret)).drafts if d.kind == "Refused"]
    assert "hunter2" not in json.dumps(dict(data))
    assert data["violations"] == ["USE-04 spec.nodeName", "STO-07 spec.containers[].image"]


def test_a_dry_run_is_no_refusal_and_no_change() -> None:
    uri = "/api/v1/namespaces/treasury/pods?dryRun=All"
    assert drafts(refused(requestURI=uri)) == []
    policy = {"apiGroup": "daulat.dev", "resource": "sovereigntypolicies", "name": "p"}
    assert drafts(event(verb="patch", objectRef=policy, requestURI="/x?a=b&dry%52un=All")) == []


@pytest.mark.parametrize("uri", ["/x?dryRun=None&dryRun=All", "/x?dryrun=All", "/x"])
def test_only_what_the_api_server_takes_for_a_dry_run_is_one(uri: str) -> None:
    assert only(refused(requestURI=uri))[0] == "Refused"


def test_neither_a_deletion_nor_a_session_is_hidden_by_what_its_url_says() -> None:
    policy = {"apiGroup": "daulat.dev", "resource": "sovereigntypolicies", "name": "p"}
    # The body of a deletion may say otherwise, and counts.
    assert only(event(verb="delete", objectRef=policy, requestURI="/x?dryRun=All"))[0] == "Changed"
    assert only(session("ResponseStarted", query="dryRun=All&command=id", verb="create"))[0] == "SessionOpened"


def test_a_session_is_recorded_without_the_text_of_its_command() -> None:
    query = "command=sh&command=-c&command=echo+hunter2&container=main&stdin=true&tty=1"
    found = reading(session("ResponseStarted", query=query), session("ResponseComplete", query=query))
    opened, closed = (dict(d.data) for d in found.drafts[1:])
    assert [d.kind for d in found.drafts[1:]] == ["SessionOpened", "SessionClosed"]
    assert (opened["session"], opened["container"]) == ("exec", "main")
    assert (opened["command"], opened["stdin"], opened["tty"]) == (True, True, True)
    assert opened["on"] == {"resource": "pods", "subresource": "exec", "namespace": "treasury", "name": "m-0"}
    assert closed["began"] == "2026-11-30T00:59:28.031982Z"
    assert "hunter2" not in json.dumps([opened, closed])


@pytest.mark.parametrize("subresource", ["exec", "attach", "portforward"])
def test_a_session_that_was_not_opened_is_told_with_its_code(subresource: str) -> None:
    events = [session(stage, subresource, code=502) for stage in ("ResponseStarted", "ResponseComplete")]
    kind, data = only(*events)
    assert (kind, data["session"], data["code"]) == ("SessionFailed", subresource, 502)


def test_a_session_that_a_policy_refused_is_told_as_refused_and_once() -> None:
    message = (
        "pods \"m-0\" is forbidden: ValidatingAdmissionPolicy 'confidential.sessions.daulat.dev' with binding"
        ' \'confidential.sessions.daulat.dev\' denied request: MGD-05 pods/exec: user "alice" reached into "m-0"; policy'
        " confidential allows this to support. Ask one of them."
    )
    status = {"status": "Failure", "message": message, "code": 403}
    events = [session(stage, responseStatus=status) for stage in ("ResponseStarted", "ResponseComplete")]
    kind, data = only(*events)
    assert (kind, data["violations"]) == ("Refused", ["MGD-05 pods/exec"])
    assert "alice" not in json.dumps(data)


def test_a_debugging_container_is_a_session() -> None:
    ref = {"resource": "pods", "subresource": "ephemeralcontainers", "namespace": "treasury", "name": "m-0"}
    kind, data = only(event(verb="patch", objectRef=ref, responseStatus={"code": 200}))
    assert (kind, data["session"]) == ("SessionOpened", "ephemeralcontainers")


@pytest.mark.parametrize("resource", ["pods", "services", "nodes"])
def test_requests_through_the_api_server_are_one_entry_with_their_count(resource: str) -> None:
    ref = {"resource": resource, "subresource": "proxy", "name": "m-0"}
    stages = ("ResponseStarted", "ResponseComplete")
    events = [event(stage=s, verb="get", objectRef=ref, auditID=str(n)) for n in range(3) for s in stages]
    kind, data = only(*events)
    assert (kind, data["count"], data["audit"]) == ("Proxied", 3, "0")


def test_the_code_of_a_proxied_request_is_the_pods_own_but_a_refusal_is_not_proxied() -> None:
    ref = {"resource": "pods", "subresource": "proxy", "name": "m-0"}
    assert only(event(stage="ResponseStarted", objectRef=ref, responseStatus={"code": 404}))[0] == "Proxied"
    assert (
        drafts(event(stage="ResponseStarted", objectRef=ref, responseStatus={"status": "Failure", "code": 403})) == []
    )


def test_an_impersonation_names_both_and_is_counted() -> None:
    bob = {"username": "bob", "groups": ["system:masters", "system:authenticated", "team"]}
    kind, data = only(*(event(impersonatedUser=bob, verb="list", auditID=str(n)) for n in range(4)))
    assert kind == "Impersonated"
    assert (data["by"], data["as"], data["asGroups"]) == (ALICE, PSEUDONYMS.user("bob"), ["system:masters"])
    assert data["count"] == 4


@pytest.mark.parametrize(
    ("user", "ref"),
    [
        ("alice", {"apiGroup": "daulat.dev", "resource": "sovereigntypolicies", "name": "p"}),
        ("alice", {"apiGroup": "daulat.dev", "resource": "sovereignzones", "name": "z", "subresource": "status"}),
        ("system:serviceaccount:argocd:argocd", {"apiGroup": "daulat.dev", "resource": "sovereignzones", "name": "z"}),
        ("alice", {"resource": "nodes", "name": "gpu-1"}),
        ("alice", {"resource": "namespaces", "name": "treasury", "namespace": "treasury"}),
        (
            "system:serviceaccount:x:y",
            {
                "apiGroup": "admissionregistration.k8s.io",
                "resource": "validatingadmissionpolicybindings",
                "name": "confidential.pods.daulat.dev",
            },
        ),
        (
            "alice",
            {"apiGroup": "apiextensions.k8s.io", "resource": "customresourcedefinitions", "name": "x.daulat.dev"},
        ),
    ],
)
def test_a_change_of_what_daulat_decides_by_is_recorded(user: str, ref: dict[str, str]) -> None:
    kind, data = only(event(verb="patch", objectRef=ref, user={"username": user}))
    assert (kind, data["by"], data["verb"]) == ("Changed", PSEUDONYMS.user(user), "patch")


@pytest.mark.parametrize(
    ("user", "ref"),
    [
        (OPERATOR, {"apiGroup": "daulat.dev", "resource": "sovereigntypolicies", "name": "p", "subresource": "status"}),
        (OPERATOR, {"resource": "nodes", "name": "gpu-1"}),
        (
            OPERATOR,
            {
                "apiGroup": "admissionregistration.k8s.io",
                "resource": "validatingadmissionpolicies",
                "name": "p.pods.daulat.dev",
            },
        ),
        ("system:node:gpu-1", {"resource": "nodes", "name": "gpu-1"}),
        ("alice", {"resource": "pods", "name": "p"}),
        (
            "alice",
            {"apiGroup": "apiextensions.k8s.io", "resource": "customresourcedefinitions", "name": "x.example.com"},
        ),
    ],
)
def test_other_changes_are_not(user: str, ref: dict[str, str]) -> None:
    assert drafts(event(verb="patch", objectRef=ref, user={"username": user})) == []


def test_all_that_a_selector_deletes_may_be_daulats() -> None:
    ref = {"apiGroup": "admissionregistration.k8s.io", "resource": "validatingadmissionpolicies"}
    assert only(event(verb="deletecollection", objectRef=ref, responseStatus={"code": 200}))[0] == "Changed"


def test_a_change_that_failed_is_none() -> None:
    ref = {"apiGroup": "daulat.dev", "resource": "sovereigntypolicies", "name": "p"}
    assert drafts(event(verb="patch", objectRef=ref, responseStatus={"status": "Failure", "code": 409})) == []


def test_a_controller_that_retries_what_is_refused_makes_one_entry_a_batch() -> None:
    times = [f"2026-11-30T00:59:{second:02}.000000Z" for second in range(10, 15)]
    kind, data = only(*(refused(stageTimestamp=t, auditID=t) for t in times))
    assert (kind, data["count"], data["at"], data["until"]) == ("Refused", 5, times[0], times[-1])


def test_what_was_recorded_before_is_counted_and_not_recorded_again() -> None:
    seen, first = Seen(), reading(refused(), session("ResponseStarted"))
    seen.add(first.identities)
    again = reading(refused(), session("ResponseStarted"), session("ResponseComplete"), seen=seen)
    assert [d.kind for d in again.drafts] == ["AuditBatch", "SessionClosed"]
    assert (again.drafts[0].data["events"], again.drafts[0].data["repeated"]) == (3, 2)


def test_an_event_that_a_batch_has_twice_counts_once() -> None:
    found = reading(refused(), refused())
    assert [d.kind for d in found.drafts] == ["AuditBatch", "Refused"]
    assert "count" not in found.drafts[1].data


def test_a_client_that_repeats_an_audit_id_hides_nothing() -> None:
    seen = Seen()
    seen.add(reading(session("ResponseStarted", auditID="mine")).identities)
    later = session("ResponseStarted", auditID="mine", stageTimestamp="2026-11-30T01:00:00.000000Z")
    assert only(later, seen=seen)[0] == "SessionOpened"


def test_only_the_last_events_are_remembered() -> None:
    seen = Seen(2)
    seen.add([b"a", b"b"])
    seen.add([b"a", b"c"])
    assert [i for i in (b"a", b"b", b"c") if i in seen] == [b"a", b"c"]


def test_a_batch_is_recorded_by_its_digest_with_its_first_and_last_event() -> None:
    early = event(auditID="early", stageTimestamp="2026-11-29T00:00:00.000000Z")
    found = reading(event(auditID="one"), early, event(auditID="last"))
    assert dict(found.drafts[0].data) == {
        "batch": found.digest,
        "bytes": len(event_list(event(auditID="one"), early, event(auditID="last"))),
        "source": "webhook",
        "events": 3,
        "first": "one",
        "last": "last",
        "since": "2026-11-29T00:00:00.000000Z",
        "until": "2026-11-30T00:59:28.038671Z",
    }
    assert found.until == "2026-11-30T00:59:28.038671Z"


def test_lines_of_a_file_are_read_as_a_list_is() -> None:
    found = read(lines(refused()) + b"\n{\n", Origin(Source.FILE, "audit.log", 4096), READER, ())
    batch, unreadable, act = found.drafts
    assert (batch.data["file"], batch.data["offset"], batch.data["events"]) == ("audit.log", 4096, 1)
    assert (batch.data["unreadable"], unreadable.kind, unreadable.data["count"]) == (1, "AuditUnreadable", 1)
    assert act.kind == "Refused"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"[" * 1_000_000,
        b'{"a":' * 100_000,
        b'{"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": {}}',
        b'{"kind": "EventList", "apiVersion": "audit.k8s.io/v1"}',
        b'{"kind": "EventList", "apiVersion": "audit.k8s.io/v1beta1", "items": []}',
        b'{"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": [' + b"9" * 10_000,
    ],
    ids=lambda d: d[:20].decode("ascii", "replace") + f" {len(d)}",
)
def test_a_body_that_is_no_list_of_events_is_told_by_its_digest(data: bytes) -> None:
    found = read(data, Origin(Source.WEBHOOK), READER, ())
    (draft,) = found.drafts
    assert (draft.kind, draft.data["batch"], draft.data["bytes"]) == ("AuditUnreadable", found.digest, len(data))
    assert draft.data["reason"]
    assert len(canonical(draft.data)) < 400


@pytest.mark.parametrize(
    "broken",
    [
        None,
        17,
        "text",
        [],
        {},
        event(auditID=""),
        event(stage="Middle"),
        event(user=None),
        event(user={"username": 7}),
        event(sourceIPs="10.0.0.1"),
        event(annotations=[["a", "b"]]),
        event(objectRef=[]),
        event(responseStatus={"code": 10**400}),
        event(responseStatus={"code": "403"}),
        event(stageTimestamp="yesterday"),
        event(stageTimestamp="2026-11-30T00:59:28Z\n"),
    ],
)
def test_one_broken_event_is_told_and_leaves_the_others(broken: object) -> None:
    found = reading(broken, refused())
    assert [d.kind for d in found.drafts] == ["AuditBatch", "AuditUnreadable", "Refused"]
    assert found.drafts[0].data["unreadable"] == 1


def test_no_text_of_a_client_makes_an_entry_large_or_impossible_to_write() -> None:
    long = "é\u0000\ud83d" * 50_000
    ref = {"apiGroup": "daulat.dev", "resource": long, "namespace": long, "name": long, "subresource": long}
    hostile = event(
        auditID=long,
        verb="patch",
        objectRef=ref,
        user={"username": "system:" + long, "groups": ["system:" + long] * 99},
    )
    data = event_list(hostile, session("ResponseStarted", query="container=" + "x" * 9000)).replace(b"\\ud83d", b"\\\\")
    found = read(data, Origin(Source.WEBHOOK), READER, ())
    assert [d.kind for d in found.drafts] == ["AuditBatch", "Changed", "SessionOpened"]
    assert max(len(canonical(d.data)) for d in found.drafts) < 65_535 / 2


def test_every_kind_of_entry_can_be_told_apart_by_its_name() -> None:
    assert len({e.__name__ for e in ENTRIES}) == len(ENTRIES)


def test_an_ordinary_entry_has_a_few_hundred_bytes() -> None:
    found = reading(refused(), session("ResponseStarted"), event(impersonatedUser={"username": "bob"}))
    assert max(len(canonical(d.data)) for d in found.drafts) < 600


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(sorted(event())), _JSON, max_size=4), st.sampled_from(list(Source)))
def test_whatever_an_event_has_in_a_field_the_batch_becomes_entries(fields: dict[str, Any], source: Source) -> None:
    body = (event_list if source is Source.WEBHOOK else lines)(
        {**refused(), **fields}, {**session("ResponseStarted"), **fields}
    )
    found = read(body, Origin(source), READER, ())
    assert found.drafts[0].kind in ("AuditBatch", "AuditUnreadable")
    assert all(canonical(d.data) for d in found.drafts)


@given(st.binary(max_size=200), st.integers(0, 2000), st.sampled_from(list(Source)))
def test_whatever_bytes_a_batch_has_it_becomes_entries(noise: bytes, at: int, source: Source) -> None:
    whole = (event_list if source is Source.WEBHOOK else lines)(refused(), session("ResponseStarted"))
    found = read(whole[:at] + noise + whole[at:], Origin(source), READER, ())
    assert all(canonical(d.data) for d in found.drafts)
