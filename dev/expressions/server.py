"""What an API server of a minor version says of policies, of CustomResourceDefinitions, and of requests under policies."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from daulat.cel.evaluator import Request
from daulat.cel.request import activation

from .build import program

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Problem:
    """An expression, or a CustomResourceDefinition, that the API server refuses when it is created."""

    object: str
    field: str
    error: str


@dataclass(frozen=True)
class Verdict:
    """What a ValidatingAdmissionPolicy says of a request."""

    allowed: bool
    message: str
    failed: bool
    """It could not be evaluated, or cost more than the API server grants."""
    cost: int
    """What validations, variables and messages took, in units of CEL cost."""


@dataclass(frozen=True)
class Answer:
    """What one API server says."""

    release: str
    """The release of ``k8s.io/apiserver``."""
    unknown: frozenset[str]
    """The kinds of policies that it doesn't compile: as good as no API server of the version serves them."""
    problems: tuple[Problem, ...]
    verdicts: tuple[Verdict, ...]
    """One for each request, in order."""


def ask(
    version: str,
    policies: Sequence[Manifest] = (),
    definitions: Sequence[Manifest] = (),
    requests: Sequence[tuple[str, Request]] = (),
) -> Answer:
    """Return what the API server of a minor version says. A request comes with the name of the policy that judges it."""
    question = {
        "policies": list(policies),
        "definitions": list(definitions),
        "requests": [_request(policy, request) for policy, request in requests],
    }
    result = subprocess.run([program(version)], input=json.dumps(question), capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(f"the CEL compiler of {version} failed: {result.stderr.strip()[-2000:]}")
    said = json.loads(result.stdout)
    return Answer(
        said["version"],
        frozenset(said["unknown"] or ()),
        tuple(Problem(**p) for p in said["problems"]),
        tuple(Verdict(**v) for v in said["verdicts"]),
    )


def _request(policy: str, request: Request) -> Manifest:
    # As an API server decodes them: without nulls.
    seen = activation(request)
    return {
        "policy": policy,
        "object": seen["object"],
        "oldObject": seen["oldObject"],
        "options": request.options,
        "namespaceObject": request.namespace_object,
        "operation": request.operation,
        "group": request.group,
        "version": request.version,
        "resource": request.resource,
        "namespace": request.namespace,
        "name": request.name,
        "dryRun": request.dry_run,
        "user": request.user,
        "userUID": request.user_uid,
        "groups": list(request.user_groups),
        "extra": {key: list(values) for key, values in request.user_extra.items()},
        "allowed": sorted(request.allowed),
    }
