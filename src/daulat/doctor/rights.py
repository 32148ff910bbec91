"""Who has rights by which enforcement can be got round, beside those who must have them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .catalog import Check
from .cluster import Cluster
from .finding import Found, Severity
from .rbac import Grant, Rule, Subject, allows


def administrators(cluster: Cluster) -> Iterator[Found]:
    """Name the subjects that may do everything."""
    for subject, grant in sorted(cluster.rbac.administrators.items()):
        if not grant.expected:
            risky = subject.everybody or subject.kind == "ServiceAccount"
            what = f"{subject} may do everything, by {grant.binding}"
            yield Found(what, (str(subject), grant.binding), Severity.HIGH if risky else None)


def holders(cluster: Cluster, check: Check) -> Iterator[Found]:
    """Name the subjects that hold the check's rights where it looks. Administrators are named once, by their own check."""
    names = (cluster.operator_account,) if check.only_named == ("daulat",) else check.only_named
    spaces = _spaces(cluster, check)
    if spaces is not None and not spaces:
        return
    held: dict[Subject, dict[str, set[str]]] = {}
    for grant, rules in cluster.rbac.grants:
        if _known(cluster, grant) or not (spaces is None or not grant.namespace or grant.namespace in spaces):
            continue
        if spaces is None and grant.namespace:
            continue  # A binding in a namespace gives nothing on what has none, and these rights are all on such things.
        if doing := _doing(check, rules, names):
            held.setdefault(grant.subject, {}).setdefault(grant.binding, set()).update(doing)
    for subject, ways in sorted(held.items()):
        every = ", ".join(sorted({d for each in ways.values() for d in each}))
        what = f"{subject} may {every}, by {', '.join(sorted(ways))}"
        yield Found(what, (str(subject), *sorted(ways)), Severity.HIGH if subject.everybody else None)


def wildcards(cluster: Cluster) -> Iterator[Found]:
    """Name roles with a wildcard in use, but for those of Kubernetes itself and of administrators."""
    used: dict[str, set[str]] = {}
    for grant, rules in cluster.rbac.grants:
        if grant.expected or grant.subject in cluster.rbac.administrators:
            continue
        if any("*" in (rule.get(key) or ()) for rule in rules for key in ("verbs", "apiGroups", "resources")):
            used.setdefault(grant.role, set()).add(str(grant.subject))
    for role, subjects in sorted(used.items()):
        yield Found(f"{role} has a wildcard and is bound to {', '.join(sorted(subjects))}", (role, *sorted(subjects)))


def _spaces(cluster: Cluster, check: Check) -> set[str] | None:
    """Return the namespaces in which the check's rights matter; None where that is everywhere."""
    if check.where == "operator":
        return {cluster.operator_namespace}
    if check.where == "everywhere":
        return None
    governed = set(cluster.governing)
    if any(right.resource == "pods/exec" for right in check.rights):
        return {name for name in governed if not cluster.refusing(name, "pods/exec")}
    return governed


def _known(cluster: Cluster, grant: Grant) -> bool:
    subject = grant.subject
    operator = (subject.namespace, subject.name) == (cluster.operator_namespace, cluster.operator_account)
    own = operator and grant.role.endswith(" daulat-operator")
    return grant.expected or own or subject in cluster.rbac.administrators


def _doing(check: Check, rules: Sequence[Rule], names: tuple[str, ...]) -> set[str]:
    found = set()
    for right in check.rights:
        wanted = right.only_named or names
        verbs = [v for v in right.verbs for r in rules if allows(r, v, right.group, right.resource, wanted)]
        if verbs:
            found.add(f"{'/'.join(dict.fromkeys(verbs))} {right.resource}")
    return found
