"""Gives the verdict that the API server would give, from the same manifest. An expression that fails is a refusal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .request import Request, activation
from .session import FAILURES, Session

if TYPE_CHECKING:  # The kinds take longer to import than all that is here.
    from daulat.api.kinds import Manifest

__all__ = ["Request", "Verdict", "evaluate", "evaluate_all", "evaluate_each", "matches_resource"]


@dataclass(frozen=True)
class Verdict:
    """Whether the request passes, and every reason why not."""

    allowed: bool
    message: str = ""
    error: bool = False
    """The policy couldn't be evaluated, so it refuses. The API server refuses too, in words of its own."""
    violations: tuple[str, ...] = ()
    """What the policy's variable of that name holds, without its inner lists: one message a violation, in a stable order.
    Empty after an error."""


def matches_resource(policy: Manifest, request: Request) -> bool:
    """Say whether the policy is asked about this resource and operation. Namespaces are the caller's to select.

    The API's version isn't looked at: with ``matchPolicy: Equivalent``, which every policy of Daulat has, the API server asks about
    a resource in any of its versions.
    """
    for rule in policy["spec"]["matchConstraints"]["resourceRules"]:
        if (
            request.group in rule["apiGroups"]
            and request.resource in rule["resources"]
            and request.operation in rule["operations"]
        ):
            return True
    return False


def evaluate(policy: Manifest, request: Request) -> Verdict:
    """Return the verdict of one ValidatingAdmissionPolicy on a request that it matches."""
    return next(_verdicts([policy], request))[1]


def evaluate_each(policies: Iterable[Manifest], request: Request) -> list[tuple[Manifest, Verdict]]:
    """Return each ValidatingAdmissionPolicy among the manifests that is asked about the request, with its verdict."""
    asked = [p for p in policies if p["kind"] == "ValidatingAdmissionPolicy" and matches_resource(p, request)]
    return list(_verdicts(asked, request))


def evaluate_all(policies: Sequence[Manifest], request: Request) -> list[Verdict]:
    """Return the refusals of every ValidatingAdmissionPolicy among the manifests that is asked about the request."""
    return [verdict for _, verdict in evaluate_each(policies, request) if not verdict.allowed]


def _verdicts(policies: Sequence[Manifest], request: Request) -> Iterator[tuple[Manifest, Verdict]]:
    if not policies:
        return
    try:
        judge = _Judge(request)
    except FAILURES as error:
        yield from ((policy, _failed(error)) for policy in policies)
        return
    for policy in policies:
        try:
            yield policy, judge.verdict(policy["spec"])
        except FAILURES as error:
            yield policy, _failed(error)


def _failed(error: Exception) -> Verdict:
    why = _LIMIT if _BUDGET in str(error) else str(error)
    return Verdict(False, f"the policy could not be evaluated: {why}", error=True)


class _Judge:
    """Judges one request by policy after policy."""

    def __init__(self, request: Request) -> None:
        self._data = activation(request)
        # The API server has no namespace where it looks at matchConditions.
        has_namespace = self._data["namespaceObject"] is not None
        self._conditions = Session({**self._data, "namespaceObject": None}) if has_namespace else None
        self._session = Session(self._data)

    def verdict(self, spec: Manifest) -> Verdict:
        if not self._applies(spec.get("matchConditions", ())):
            return Verdict(True)
        self._session.declare(spec.get("variables", ()))
        for validation in spec["validations"]:
            if self._session.value(validation["expression"]) is not True:
                found = self._violations(spec)
                return Verdict(False, _reordered(self._message(spec, validation), found), violations=found)
        return Verdict(True)

    def _applies(self, conditions: Iterable[Mapping[str, str]]) -> bool:
        """Say whether all conditions hold. One that doesn't outweighs those that fail, as in the API server."""
        session, failure = self._conditions or self._session, None
        session.declare(())
        for condition in conditions:
            try:
                if session.value(condition["expression"]) is not True:
                    return False
            except FAILURES as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return True

    def _message(self, spec: Manifest, validation: Mapping[str, str]) -> str:
        """Return the refusal's text, or the one that the API server puts in its place where it has none."""
        session = self._session
        if any("authorizer" in variable["expression"] for variable in spec.get("variables", ())):
            # The API server has no authorizer where it works out messages, not even in a variable.
            session = Session({name: value for name, value in self._data.items() if name != "authorizer"})
            session.declare(spec["variables"])
        try:
            told = session.value(validation["messageExpression"])
        except FAILURES:
            told = None
        message = told.strip() if isinstance(told, str) else ""
        if not message or "\n" in message or len(message.encode(errors="replace")) > _MESSAGE_BYTES:
            message = validation.get("message", "").strip() or f"failed expression: {validation['expression'].strip()}"
        return message

    def _violations(self, spec: Manifest) -> tuple[str, ...]:
        if not any(variable["name"] == "violations" for variable in spec.get("variables", ())):
            return ()
        try:
            found = self._session.value("variables.violations")
        except FAILURES:
            return ()
        return _ordered(_texts(found)) if isinstance(found, list) else ()


def _texts(found: Iterable[Any]) -> Iterator[str]:
    for one in found:
        if isinstance(one, list):
            yield from _texts(one)
        else:
            # As the text of a compiled policy is told: the API server drops a message of several lines.
            yield str(one).replace("\n", " ")


def _ordered(messages: Iterable[str]) -> tuple[str, ...]:
    """Return the messages in order of their controls, and those of one control sorted.

    Maps have another order each time, here and in the API server. What a verdict is written into, such as a status, must not change
    for that.
    """
    by_control: dict[str, list[str]] = {}
    for message in messages:
        by_control.setdefault(message.partition(" ")[0], []).append(message)
    return tuple(message for own in by_control.values() for message in sorted(own))


def _reordered(message: str, violations: tuple[str, ...]) -> str:
    """Return the message in the order of the violations, where they are what it holds; cut where it is cut."""
    whole = " ".join(violations)
    if sorted(message) == sorted(whole):
        return whole
    kept = message.removesuffix(_CUT)
    cut = kept != message and len(kept) < len(whole) and message.partition(" ")[0] == whole.partition(" ")[0]
    return whole[: len(kept)] + _CUT if cut else message


_CUT = "..."
"""What the text of a compiled policy ends with where it is too long to be told in full."""
_BUDGET = "Iteration budget exceeded"
"""What cel-expr-python 0.1.3 says after 10,000 steps through lists and maps, a limit that it offers no option for."""
_LIMIT = (
    "it has more items than this evaluator takes, which stops after 10,000 steps. The API server's own limit is higher."
    " Split the object."
)
_MESSAGE_BYTES = 5 * 1024
"""The API server drops a longer one (apiserver, apis/cel: MaxEvaluatedMessageExpressionSizeBytes)."""
