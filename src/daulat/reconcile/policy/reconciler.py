"""Puts a policy in force, shows that it is, and cleans up after one that is gone."""

from __future__ import annotations

from collections.abc import Iterable

from daulat.admission.policy import PROTECTED_NAMESPACES, CompiledPolicy, PolicyError, compile_policy
from daulat.api import reasons
from daulat.api.names import GROUP
from daulat.api.policy import EnforcementSource
from daulat.api.zone import SovereignZoneSpec
from daulat.facts.child import Child
from daulat.facts.declared import Declared, Malformed
from daulat.facts.snapshot import Policy, Snapshot
from daulat.kube.ref import Ref
from daulat.placement.eligibility import ineligible
from daulat.reconcile.conditions import Told, told, write
from daulat.reconcile.result import Apply, Delete, Effect, Outcome, Probe

from . import advice, gitops, ungoverned
from .canary import PATIENCE, canary_pod, judge
from .drift import Watch, stranded

RECHECK = 300.0
"""Seconds after which a policy is proved to be in force again."""


def compiled(policy: Policy, snapshot: Snapshot, now: float) -> CompiledPolicy:
    """Return the policy compiled with what is true now. Raises PolicyError."""
    exemptions = [
        e.spec for _, e in sorted(snapshot.exemptions.items()) if isinstance(e, Declared) and not e.spec.expired(now)
    ]
    key = ("compiled", policy.name, policy.spec, tuple(exemptions))
    if key not in snapshot.memo:
        protected = _protected(snapshot)
        snapshot.memo[key] = compile_policy(
            policy.name, policy.spec, snapshot.known_profiles, exemptions, protected, _zones(snapshot)
        )
    found: CompiledPolicy = snapshot.memo[key]
    return found


def reconcile_policy(ref: Ref, snapshot: Snapshot, now: float) -> Outcome:
    """Return what brings the policy into force, and its status."""
    policy = snapshot.policies.get(ref.name)
    if policy is None:
        # What GitOps applied is GitOps' to take away: its pipeline may be about to bring the policy back.
        own = [c for c in _children(ref.name, snapshot) if c.source != EnforcementSource.GITOPS.value]
        left = tuple(key for key in advice.left_over(snapshot) if key.name == ref.name)
        return Outcome(tuple(_sweep(own, keep=())), also=left)
    if isinstance(policy, Malformed):
        return _refuse(ref, policy, reasons.INVALID, policy.reason, now)
    governed = [n for n in snapshot.namespaces.values() if policy.spec.namespace_selector.matches(n.labels)]
    if message := governs_protected(policy, snapshot):
        return _refuse(ref, policy, reasons.PROTECTED_NAMESPACE, message, now)
    try:
        result = compiled(policy, snapshot, now)
    except PolicyError as error:
        return _refuse(ref, policy, reasons.INVALID, str(error), now)

    by_operator = gitops.source(policy) is EnforcementSource.OPERATOR
    children, wanted = _children(ref.name, snapshot), gitops.manifests(policy, result)
    effects: list[Effect] = []
    if by_operator:
        effects += [Apply(m) for m in wanted]
        effects += _sweep(children, keep=[Ref.of(m["kind"], m) for m in wanted])
    open_namespaces = sorted(n.name for n in governed if not n.terminating)
    enforced, requeue = _enforced(policy, result, open_namespaces, snapshot, now)
    if requeue is not None and open_namespaces and result.enforces:
        effects.append(Probe(policy.name, canary_pod(policy.name, open_namespaces[0])))
        effects.append(ungoverned.probe(policy.name, open_namespaces[0]))
    watch = Watch(policy, stranded(policy, snapshot), now)
    effects += watch.effects()
    eligible = sum(ineligible(node, policy, snapshot) is None for node in snapshot.nodes.values())
    fields = {
        "revision": result.revision,
        "namespaces": len(governed),
        "eligibleNodes": eligible,
        "controls": [{"id": c.control.id, "guard": c.control.guard, "action": c.action} for c in result.controls],
        "drift": watch.fields() or None,
    }
    compiled_told = _compiled_condition(result, snapshot.obstacles.get(ref) if by_operator else None)
    if not by_operator:
        differing = gitops.drift(wanted, children)
        if differing or not result.missing_profiles:
            compiled_told = gitops.condition(result, differing, not children, enforced.status == "True")
        if compiled_told.status == "False" and requeue == PATIENCE:
            requeue = gitops.PATIENCE
    conditions = [enforced, compiled_told, _scope(policy), watch.condition()]
    effects += write(ref, policy.uid, policy.generation, policy.status, conditions, fields, now)
    return Outcome(
        tuple(effects),
        min([requeue if requeue is not None else RECHECK, *_expiries(policy, snapshot, now), *watch.again()]),
        also=(ungoverned.KEY, advice.key(ref.name)),
    )


def governs_protected(policy: Policy, snapshot: Snapshot) -> str:
    """Return what is wrong with a policy that selects a namespace which none may govern; nothing where it selects none."""
    selects = policy.spec.namespace_selector.matches
    found = [n.name for n in snapshot.namespaces.values() if n.name in _protected(snapshot) and selects(n.labels)]
    if not found:
        return ""
    return f"spec.namespaceSelector selects {', '.join(sorted(found))}, which no policy may govern; exclude it"


def _expiries(policy: Policy, snapshot: Snapshot, now: float) -> list[float]:
    """Return in how many seconds each exemption in force ends: the policy is compiled without it then."""
    own = [e.spec for e in snapshot.exemptions.values() if isinstance(e, Declared) and e.spec.policy == policy.name]
    return [spec.seconds_left(now) + 0.1 for spec in own if not spec.expired(now)]


def _refuse(ref: Ref, policy: Policy | Malformed, reason: str, message: str, now: float) -> Outcome:
    conditions = [told(reasons.ENFORCED, False, reason, f"{message}. What was in force stays in force.")]
    kept = {k: v for k, v in policy.status.items() if k not in ("conditions", "observedGeneration")}
    return Outcome(tuple(write(ref, policy.uid, policy.generation, policy.status, conditions, kept, now)))


def _enforced(
    policy: Policy, result: CompiledPolicy, namespaces: list[str], snapshot: Snapshot, now: float
) -> tuple[Told, float | None]:
    """Return the condition, and when to try again, where a try is due now."""
    if not result.enforces:
        message = f"spec.action is {policy.spec.action.value}: requests for pods aren't refused"
        return told(reasons.ENFORCED, False, reasons.NOT_ENFORCING, message), None
    if not namespaces:
        message = "no namespace matches spec.namespaceSelector, so there is nowhere to try"
        return told(reasons.ENFORCED, None, reasons.NO_GOVERNED_NAMESPACE, message), None
    found = snapshot.canaries.get(policy.name)
    condition, proved = judge(found, result.revision)
    if proved and ungoverned.closed(policy.name, snapshot):
        message = "the namespaces that the policy governs aren't open yet: GOV-01 still refuses pods there"
        return told(reasons.ENFORCED, None, reasons.CANARY_PENDING, message), PATIENCE
    if proved and found is not None and found.namespace in namespaces and now - found.at < RECHECK:
        return condition, None
    return condition, RECHECK if proved else PATIENCE


def _compiled_condition(result: CompiledPolicy, obstacle: str | None) -> Told:
    if obstacle:
        return told(reasons.COMPILED, False, reasons.APPLY_FAILED, obstacle)
    if result.missing_profiles:
        names = ", ".join(result.missing_profiles)
        message = f"AcceleratorProfile {names} doesn't exist, so nothing of it is approved"
        return told(reasons.COMPILED, False, reasons.PROFILE_NOT_FOUND, message)
    return told(
        reasons.COMPILED, True, reasons.APPLIED, f"{len(result.controls)} controls in revision {result.revision}"
    )


def _scope(policy: Policy) -> Told:
    keys = policy.spec.namespace_selector.label_keys()
    loose = sorted(k for k in keys if not k.startswith(f"{GROUP}/") and k != "kubernetes.io/metadata.name")
    if loose:
        message = f"{', '.join(loose)} can be changed by anyone who may label namespaces; select by {GROUP}/ labels"
        return told(reasons.SCOPE_TAMPERABLE, True, reasons.SELECTS_UNPROTECTED_LABELS, message, good="False")
    message = "the selector reads guarded labels only"
    return told(reasons.SCOPE_TAMPERABLE, False, reasons.SELECTS_PROTECTED_LABELS, message, good="False")


def _zones(snapshot: Snapshot) -> dict[str, SovereignZoneSpec]:
    return {name: zone.spec for name, zone in snapshot.known_zones.items()}


def _protected(snapshot: Snapshot) -> tuple[str, ...]:
    return (*PROTECTED_NAMESPACES, snapshot.operator_namespace)


def _children(policy: str, snapshot: Snapshot) -> list[Child]:
    return [c for c in snapshot.children.values() if c.policy == policy]


def _sweep(children: Iterable[Child], keep: Iterable[Ref]) -> list[Effect]:
    """Return the deletion of what is left over, bindings first: a policy without a binding does nothing."""
    kept = set(keep)
    left = [c for c in children if c.ref not in kept and not c.deleting]
    return [Delete(c.ref, c.uid) for c in sorted(left, key=lambda c: (not c.ref.kind.endswith("Binding"), c.ref))]
