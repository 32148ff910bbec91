"""How the weights of a placed model come into its pods: mounted as a volume, or fetched and checked by an init container."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from daulat.api.model import WeightsStatus
from daulat.api.policy import SovereigntyPolicySpec
from daulat.api.weights import REMOTE, Fetch, Source, parse
from daulat.facts.snapshot import Model, Policy

from .choice import Chosen


@dataclass(frozen=True)
class Loading:
    """The decision. It is written to the status, and read back from there."""

    fetched: bool
    """Whether an init container fetches them; otherwise they are mounted as a volume."""
    image: str
    """The init container's image; empty where there is nothing to fetch and nothing to check."""
    endpoint: str | None = None
    """The server, where the URI doesn't name it."""
    trust: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = ()
    """The policies that require a signature, with their keys and their certificates."""
    problem: str = ""
    """Why the weights can't be brought, as a sentence; empty where they can."""

    @property
    def status(self) -> WeightsStatus:
        """The status block ``weights``."""
        return WeightsStatus(
            method="Fetched" if self.fetched else "Mounted",
            image=self.image or None,
            endpoint=self.endpoint or None,
            trusted_by=tuple(name for name, _, _ in self.trust) or None,
        )


def loading(model: Model, chosen: Chosen, policies: Sequence[Policy], image: str) -> Loading:
    """Return how the weights come into the pods. ``image`` is the init container's, where the status names none yet.

    A model that is placed keeps the method and the image of its status: an upgrade of the operator rolls no pod.
    """
    source, fetch = parse(model.spec.model.uri), model.spec.model.fetch
    stood = model.status.weights
    trust = _trust(policies)
    if source.scheme == "oci":
        volumes = stood.method == "Mounted" if stood is not None and stood.method else chosen.image_volumes
        fetched = fetch is not None or not volumes
    else:
        fetched = source.scheme in REMOTE
    checked = bool(trust) or (bool(source.digest) and source.scheme != "oci")
    if not fetched and not checked:
        return Loading(fetched=False, image="")
    image = (stood.image if stood is not None else None) or image
    endpoint = _endpoint(source, fetch, [p.spec for p in policies]) if source.scheme in REMOTE else None
    problem = ""
    if source.scheme in REMOTE and endpoint is None:
        problem = (
            f'spec.model.fetch.endpoint: none was set, and the policies name no {source.scheme} server that "{source.uri}" could'
            " come from. Set one that they allow."
        )
    elif not image:
        problem = (
            f'spec.model.uri: "{source.uri}" needs an init container, and the operator has no image for it.'
            " Set weights.image in the chart."
        )
    return Loading(fetched, image, endpoint, trust, problem)


def _trust(policies: Sequence[Policy]) -> tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]:
    asked = [(p.name, p.spec.models.signatures) for p in policies if p.spec.models is not None]
    return tuple((name, tuple(sorted(s.keys)), tuple(sorted(s.certificates))) for name, s in asked if s is not None)


def _endpoint(source: Source, fetch: Fetch | None, policies: Sequence[SovereigntyPolicySpec]) -> str | None:
    if fetch is not None and fetch.endpoint is not None:
        return fetch.endpoint
    named = [
        getattr(p.models.endpoints, source.scheme) if p.models is not None and p.models.endpoints is not None else ()
        for p in policies
    ]
    first, *others = named or [()]
    return next((e for e in first if all(e in other for other in others)), None)
