"""Brings weights to a folder, once, and lets nobody have them before they were checked."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from daulat.api.weights import DIGEST_MISMATCH, FETCH_FAILED, Source

from . import hubs, registry, s3
from .digest import folder_digest
from .problem import WeightsProblem
from .signature import Trust, check_signature


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
    """Check the digest that the URI names, and the signature that policies ask for. Raises WeightsProblem."""
    # A registry's digest is of its manifest, and was checked against every blob while they were fetched or mounted.
    if order.source.digest and order.source.scheme != "oci":
        try:
            found = folder_digest(folder)
        except (OSError, ValueError) as error:
            raise WeightsProblem(DIGEST_MISMATCH, f"{order.source.uri}: {error}") from error
        if found != order.source.digest:
            raise WeightsProblem(DIGEST_MISMATCH, f"{order.source.uri}: what is there has the digest sha256:{found}")
    if order.trusted:
        check_signature(folder, folder / order.signature, order.trusted)


def load(order: Order) -> Path:
    """Bring the weights to a folder of their own under the target, and return it. Raises WeightsProblem.

    Replicas may share the target: one fetches, the others wait. A folder appears under its name only when it is whole and has
    passed every check, so that one which is there needs no fetching; it's checked again, since others may write to a shared volume.
    """
    folder = order.target / order.source.key
    with FileLock(order.target / f".{order.source.key}.lock"):
        if folder.is_dir():
            try:
                check(order, folder)
            except WeightsProblem:
                # Fetched anew by the next attempt, which the kubelet makes.
                shutil.rmtree(folder, ignore_errors=True)
                raise
            return folder
        partial = order.target / f".{order.source.key}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            _fetch(order, partial)
            check(order, partial)
            partial.rename(folder)
        except OSError as error:
            raise WeightsProblem(FETCH_FAILED, f"{order.source.uri}: {error}") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return folder


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
