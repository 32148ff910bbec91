"""One line of a report: what an object's verdict under a policy is, and in which order lines come."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

from daulat.api.kinds import Manifest

MAX_MESSAGE = 1000
"""Characters of a message in a report. The API server's limit on an object's size is what a report's length is bounded for."""
SOURCE = "daulat"
_CREDENTIALS = re.compile(r"(?<=://)[^/?#\s\"']+@")
"""User and password in a URL, as an engine's setting may hold them. A password may have an @ that isn't encoded."""
_ESCAPED = "<>&"
"""What the API server writes as six bytes where JSON takes one."""


class Outcome(StrEnum):
    """What became of one control on one object, in the words of both APIs of reports."""

    FAIL = "fail"
    """A control that is enforced would refuse the object."""
    ERROR = "error"
    """The object couldn't be judged."""
    WARN = "warn"
    """A control that only warns or audits would refuse the object, were it enforced."""
    SKIP = "skip"
    """An exemption holds; without it the object would be refused."""
    PASS = "pass"  # noqa: S105 - the API's word
    """An object that breaks nothing of a policy. These are counted, and not listed."""


ORDER = (Outcome.FAIL, Outcome.ERROR, Outcome.WARN, Outcome.SKIP, Outcome.PASS)
"""Failures first."""
_SEVERITIES = {"Enforce": "high", "Warn": "medium", "Audit": "low"}
_CATEGORIES = {
    "EXP": "Export control",
    "GOV": "Governance",
    "MGD": "Managed",
    "STO": "Stored",
    "SUP": "Supply chain",
    "USE": "Used",
}
"""Titles of the families of controls, by the first three letters of their ids."""


@dataclass(frozen=True)
class Subject:
    """The object that a result is about. A kind alone is all objects of the kind."""

    api_version: str
    kind: str
    namespace: str = ""
    name: str = ""
    uid: str = ""

    @property
    def reference(self) -> Manifest:
        """The object as an ObjectReference."""
        fields = {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "namespace": self.namespace,
            "name": self.name,
            "uid": self.uid,
        }
        return {key: value for key, value in fields.items() if value}


@dataclass(frozen=True)
class Result:
    """One verdict that isn't a pass."""

    outcome: Outcome
    policy: str
    """The SovereigntyPolicy."""
    rule: str
    """The control's id; another word where no control was evaluated."""
    subject: Subject
    message: str
    action: str = "Enforce"
    exemption: str = ""
    """The SovereigntyExemption because of which it is skipped."""

    @cached_property
    def key(self) -> tuple[str, ...]:
        """What results of one outcome are in order of."""
        subject = self.subject
        return (self.policy, self.rule, subject.kind, subject.name, self.message, subject.uid)

    @cached_property
    def text(self) -> str:
        """The message as a report has it: without credentials, and cut."""
        message = _CREDENTIALS.sub("***@", self.message)
        return message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 3] + "..."

    @cached_property
    def size(self) -> int:
        """The most bytes that it takes in etcd."""
        found = json.dumps(self.manifest())
        return len(found) + 5 * sum(map(found.count, _ESCAPED))

    def bounded(self) -> Result:
        """Return the result without what a report leaves out of its message."""
        return self if self.text == self.message else replace(self, message=self.text)

    def exempted(self, name: str) -> Result:
        """Return the result as skipped because of an exemption."""
        return replace(self, outcome=Outcome.SKIP, exemption=name)

    def manifest(self) -> Manifest:
        """Return the result as both APIs of reports have it."""
        category = _CATEGORIES.get(self.rule[:3])
        return {
            "source": SOURCE,
            "policy": self.policy,
            "rule": self.rule,
            "result": str(self.outcome),
            "severity": _SEVERITIES.get(self.action, "high"),
            "scored": self.outcome is Outcome.FAIL,
            "message": self.text,
            "resources": [self.subject.reference],
            **({"category": category} if category else {}),
            "properties": {"action": self.action, **({"exemption": self.exemption} if self.exemption else {})},
        }
