"""Brings weights to a folder, once, and lets nobody have them before they were checked."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from daulat.api.weights import DIGEST_MISMATCH, FETCH_FAILED, Source

from . import hubs, registry, s3
from .cache import Cache, Copy
from .digest import folder_digest
from .downloads import left_by_tools
from .lease import held
from .problem import WeightsProblem
from .signature import Trust, check_signature

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Order:
    """What to bring or to check, and where."""

    source: Source
    target: Path
    endpoint: str = ""
    signature: str = ""
    trusted: tuple[Trust, ...] = ()
    registry_configs: tuple[Path, ...] = ()
    insecure_registry: bool = False


def check(order: Order, folder: Path) -> None:
    """Check the digest that the URI names, and the signature that policies ask for. Changes nothing. Raises WeightsProblem."""
    try:
        _check(order, folder)
    except OSError as error:
        # Nothing is known about the content then, so it's neither another digest nor a bad signature.
        raise WeightsProblem(FETCH_FAILED, f"{order.source.uri}: what is there can't be read: {error}") from error


def load(order: Order) -> Path:
    """Bring the weights to a folder of their own under the target, and return it. Raises WeightsProblem.

    Replicas may share the target: one fetches, the others wait. A folder appears under its name only when it is whole and has
    passed every check. One that is there is checked again, since others may write to a shared volume, and a replica that it
    doesn't satisfy doesn't start; but other replicas may be reading it, so it stays. Where its digest is another than the URI's,
    what belongs there is known: it is fetched beside it, and takes its place when it has passed every check. This attempt fails
    all the same: somebody may have written to the volume, or its disk is failing, and the pod's status has to say so. The
    kubelet makes the next attempt, which starts.
    """
    cache = Cache(order.target, order.source.key)
    try:
        return _load(order, cache)
    except OSError as error:
        raise WeightsProblem(FETCH_FAILED, f"{order.source.uri}: {error}") from error


def _check(order: Order, folder: Path) -> None:
    # A registry's digest is of its manifest, and was checked against every blob while they were fetched or mounted.
    if order.source.digest and order.source.scheme != "oci":
        try:
            found = folder_digest(folder)
        except ValueError as error:
            raise WeightsProblem(DIGEST_MISMATCH, f"{order.source.uri}: {error}") from error
        if found != order.source.digest:
            told = f"{order.source.uri}: what is there has the digest sha256:{found}"
            if left := left_by_tools(folder):
                told += f", with files of a download tool among it: {', '.join(left[:3])}"
            raise WeightsProblem(DIGEST_MISMATCH, told)
    if order.trusted:
        check_signature(folder, folder / order.signature, order.trusted)


def _load(order: Order, cache: Cache) -> Path:
    # Without the lease: checking takes minutes, and replicas that find the weights there needn't wait for one another.
    seen, differs = cache.published(), None
    if seen is not None:
        differs = _difference(order, cache.folder)
        if differs is None:
            return cache.folder
    with held(cache.marker, order.source.uri, cache.fetching):
        cache.recover()
        if cache.published() in (None, seen) and _bring(order, cache, seen, differs):
            if differs is not None:
                raise WeightsProblem(
                    differs.word,
                    f"{differs.sentence}. It was fetched again, and the other copy kept as {cache.refused.name}",
                )
            return cache.folder
    # Another replica has published while this one waited.
    check(order, cache.folder)
    return cache.folder


def _difference(order: Order, folder: Path) -> WeightsProblem | None:
    """Check a published folder. Return the problem where fetching can mend it, None where there is none, and raise all others.

    A signature isn't mended: with the same digest the same signature comes back, and without one other weights might, under the
    path that engines are reading from.
    """
    try:
        check(order, folder)
    except WeightsProblem as problem:
        if problem.word != DIGEST_MISMATCH:
            raise
        return problem
    return None


def _bring(order: Order, cache: Cache, seen: Copy | None, differs: WeightsProblem | None) -> bool:
    """Fetch, check and publish. False where another process has published meanwhile."""
    if differs is not None:
        if cache.refused.exists():
            raise WeightsProblem(
                differs.word,
                f"{differs.sentence}. It isn't fetched again, since {cache.refused.name} holds an earlier copy that differed:"
                " find out why, and delete it once no running pod reads from it",
            )
        _log.warning("%s. It is fetched again; running pods keep what they read", differs)
    with cache.partial() as partial:
        try:
            _fetch(order, partial)
            check(order, partial)
        except (WeightsProblem, OSError) as again:
            if differs is None:
                raise
            word = again.word if isinstance(again, WeightsProblem) and again.word != FETCH_FAILED else differs.word
            told = again.sentence if isinstance(again, WeightsProblem) else str(again)
            raise WeightsProblem(word, f"{differs.sentence}. Fetching it again failed: {told}") from again
        return cache.publish(partial, instead_of=seen)


def _fetch(order: Order, target: Path) -> None:
    match order.source.scheme:
        case "s3":
            s3.fetch(order.source, order.endpoint, target)
        case "hf":
            hubs.fetch_hf(order.source, order.endpoint, target)
        case "ms":
            hubs.fetch_ms(order.source, order.endpoint, target)
        case "oci":
            registry.fetch(order.source, target, [*order.registry_configs], insecure=order.insecure_registry)
        case scheme:
            raise WeightsProblem(FETCH_FAILED, f"{order.source.uri}: {scheme} is mounted, not fetched")
