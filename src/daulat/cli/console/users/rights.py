"""What a user may list, by SubjectAccessReviews: the API server's own answer, whichever authorizers it has."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from daulat.kube.client import Client
from daulat.kube.resources import BY_KIND, Resource

from ...reading import CLUSTER_WIDE, LEASES, Rights
from ..expiring import Expiring
from .identity import Identity

REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
REVIEW_TTL = 60.0
"""Seconds for which an answer is kept by default."""
MOST = 100_000
"""Answers that are kept."""
PARALLEL = 8
"""Reviews at a time, of all users together."""


class Reviews:
    """Asks the API server what users may list."""

    def __init__(self, client: Client, operator_namespace: str, seconds: float) -> None:
        """Take for how many seconds an answer is kept: a right that was removed still opens pages for so long."""
        self._client, self._operator_namespace = client, operator_namespace
        self._allowed: Expiring[bool] = Expiring(seconds, MOST)
        self._slots = asyncio.Semaphore(PARALLEL)

    async def rights(self, identity: Identity, namespaces: Iterable[str]) -> Rights:
        """Return what the user may list in all namespaces; and of these namespaces, in which models and pods.

        Raises RequestError where the API server can't say: nothing is shown then.
        """
        kinds, allowed = [*CLUSTER_WIDE, LEASES], self._may
        answers = await asyncio.gather(
            *(allowed(identity, each, self._operator_namespace if each is LEASES else "") for each in kinds)
        )
        found = frozenset(each.kind for each, may in zip(kinds, answers, strict=True) if may)
        names = tuple(namespaces)
        models = await self._further(identity, "SovereignModel", found, names)
        # Pods are shown with their models alone.
        pods = await self._further(identity, "Pod", found, names if "SovereignModel" in found else sorted(models))
        return Rights(found, models, pods)

    async def lacking(self, identity: Identity, resources: Iterable[Resource]) -> tuple[str, ...]:
        """Return the kinds that the user may not list in all namespaces. Raises RequestError where the API server can't say."""
        asked = tuple(resources)
        answers = await asyncio.gather(*(self._may(identity, each, "") for each in asked))
        return tuple(each.kind for each, may in zip(asked, answers, strict=True) if not may)

    async def _further(
        self, identity: Identity, kind: str, everywhere: frozenset[str], namespaces: Iterable[str]
    ) -> frozenset[str]:
        if kind in everywhere:
            return frozenset()
        names = tuple(namespaces)
        answers = await asyncio.gather(*(self._may(identity, BY_KIND[kind], name) for name in names))
        return frozenset(name for name, may in zip(names, answers, strict=True) if may)

    async def _may(self, identity: Identity, resource: Resource, namespace: str) -> bool:
        key = f"{identity.key} {resource.group} {resource.plural} {namespace}"
        known = self._allowed.get(key)
        if known is None:
            known = await self._review(identity, resource, namespace)
            self._allowed.put(key, known)
        return known

    async def _review(self, identity: Identity, resource: Resource, namespace: str) -> bool:
        asked = {
            "verb": "list",
            "group": resource.group,
            "version": resource.version,
            "resource": resource.plural,
            "namespace": namespace,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {**identity.subject(), "resourceAttributes": asked},
        }
        async with self._slots:
            status = (await self._client.request("POST", REVIEWS, review)).get("status") or {}
        return status.get("allowed") is True and status.get("denied") is not True
