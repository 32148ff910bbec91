"""The declared facts: an object of one of Daulat's kinds, its spec parsed once, its status as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from daulat.api.kinds import Manifest, by_kind
from daulat.api.meta import Spec
from daulat.api.policy import SovereigntyPolicySpec
from daulat.catalog import presets

from .unknown import Unknown

S = TypeVar("S", bound=Spec)


@dataclass(frozen=True)
class Declared(Generic[S]):
    """An object of Daulat's own. ``status`` is raw and is left out of comparisons: it never causes work by itself."""

    namespace: str
    name: str
    uid: str
    generation: int
    created: str
    deleting: bool
    spec: S
    status: Manifest = field(compare=False, hash=False, repr=False)


@dataclass(frozen=True)
class Unparsable(Unknown):
    """An object of Daulat's own that can't be read, as after a downgrade. It stays visible, with the reason."""

    namespace: str
    name: str
    uid: str
    generation: int
    status: Manifest = field(compare=False, hash=False, repr=False)


def parse_declared(kind: str, raw: Mapping[str, Any]) -> Declared[Any] | Unparsable:
    """Read an object of one of Daulat's kinds."""
    meta = raw.get("metadata") or {}
    namespace, name, uid = (str(meta.get(key) or "") for key in ("namespace", "name", "uid"))
    generation, status = int(meta.get("generation") or 0), raw.get("status") or {}
    try:
        spec = by_kind(kind).spec.model_validate(raw.get("spec"))
    except ValidationError as error:
        problems = "; ".join(f"spec.{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        return Unparsable(problems, namespace, name, uid, generation, status)
    if isinstance(spec, SovereigntyPolicySpec):
        try:
            spec = presets.expanded(spec)
        except presets.PresetError as error:
            return Unparsable(f"spec.preset: {error}", namespace, name, uid, generation, status)
    created = str(meta.get("creationTimestamp") or "")
    return Declared(namespace, name, uid, generation, created, bool(meta.get("deletionTimestamp")), spec, status)
