"""Finds every pod that an object would make, and every claim: by what is known of the kind, and by shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from daulat.api.kinds import Manifest
from daulat.manifest.paths import CONTAINERS, Path

from .defaults import defaulted
from .shapes import Shaped, is_templated, shaped

_BUILT_IN = frozenset(("", "apps", "batch", "extensions"))
"""Groups whose pod templates are complete: no controller adds an image to them."""
_SERVING = "serving.kserve.io"
# Forms of a predictor that are one container of a serving runtime (KServe, pkg/apis/serving/v1beta1/predictor.go).
_RUNTIME_FORMS = (
    "model",
    "sklearn",
    "xgboost",
    "tensorflow",
    "pytorch",
    "triton",
    "onnx",
    "huggingface",
    "pmml",
    "lightgbm",
    "paddle",
)
_RUNTIME_CONTAINER = "kserve-container"
_UNNAMED = {"serving.knative.dev": "user-container", _SERVING: _RUNTIME_CONTAINER}
"""What controllers call a container that their objects need not name."""
_API_VERSIONS = {"Ingress": "networking.k8s.io/v1"}
"""Those of what is made beside pods, where it is no v1."""
MAX_VALUES = 50_000
"""Values of an object that are searched for pods. LeaderWorkerSet's CustomResourceDefinition, of 1.3 MB, has 10,600."""


class TooManyValues(ValueError):
    """The object has more values than are searched, so it isn't known which pods it would make."""

    def __init__(self) -> None:
        super().__init__(f"has more than {MAX_VALUES:,} values, so it can't be searched for pods")


@dataclass(frozen=True)
class Made:
    """An object that a controller makes of another, as it would send it."""

    path: Path
    """Where in the other object it is described: the mapping that has its ``spec``."""
    object: Manifest
    spec_path: Path = ()
    """The path of its spec in the other object."""
    undecided: frozenset[str] = field(default_factory=frozenset)
    """Containers whose image a controller sets later."""
    rendered: bool = False
    """Its fields aren't in the other object: it was computed from the value at the path."""
    origins: Mapping[Path, Path] | None = None
    """Where in the other object each part of it stands; None where its spec is there as a whole."""
    unread: tuple[Path, ...] = ()
    """Fields of the other object that change it and can't be read yet."""


def made(owner: Manifest, namespace: str) -> list[Made]:
    """Return the pods and claims that the object would make, in the order of the text. The object itself is not among them.

    Raises TooManyValues.
    """
    found: list[Made] = []
    is_pod = owner.get("kind") == "Pod" and owner.get("apiVersion") == "v1"
    if is_pod:
        found += _ephemeral_claims(owner.get("spec"), ("spec",), owner, namespace)
        return found
    shapes = list(shaped(owner))
    for path, spec_path, metadata, spec in _pod_specs(owner, shapes):
        pod = _pod(owner, namespace, metadata, spec)
        found.append(Made(path, pod, spec_path, _undecided(owner, pod)))
        found += _ephemeral_claims(spec, spec_path, owner, namespace)
    for shape in shapes:
        pod = _pod(owner, namespace, shape.metadata, shape.spec)
        if shape.kind != "Pod":
            head = {"apiVersion": _API_VERSIONS.get(shape.kind, "v1"), "kind": shape.kind}
            found.append(Made(shape.path, {**pod, **head, "spec": shape.spec}, origins=shape.origins))
            continue
        found.append(Made(shape.path, pod, (), _undecided(owner, pod), origins=shape.origins, unread=shape.unread))
        found += _ephemeral_claims(shape.spec, shape.path, owner, namespace)
    own = owner.get("spec")
    if isinstance(own, dict):
        found += _claims(own.get("volumeClaimTemplates"), ("spec", "volumeClaimTemplates"), owner, namespace)
    return found


def _group(owner: Manifest) -> str:
    return str(owner.get("apiVersion") or "").rpartition("/")[0]


def _pod(owner: Manifest, namespace: str, template_metadata: Any, spec: Manifest) -> Manifest:
    """Return the pod as a controller would make it: labels and annotations of the template, the namespace of the owner."""
    own = template_metadata if isinstance(template_metadata, dict) else {}
    name = (owner.get("metadata") or {}).get("name") or (owner.get("metadata") or {}).get("generateName") or "pod"
    metadata: Manifest = {"name": name, "namespace": namespace}
    for part in ("labels", "annotations"):
        if own.get(part) is not None:
            metadata[part] = own[part]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    return defaulted(pod, _UNNAMED.get(_group(owner), "container"))


def _undecided(owner: Manifest, pod: Manifest) -> frozenset[str]:
    """Return the containers of a pod whose image a controller sets or fills in."""
    if _group(owner) in _BUILT_IN:
        return frozenset()
    own = [c for key in CONTAINERS for c in pod["spec"].get(key) or () if isinstance(c, dict)]
    return frozenset(str(c["name"]) for c in own if not c.get("image") or is_templated(c["image"]))


def _pod_specs(owner: Manifest, embedded: list[Shaped]) -> Iterator[tuple[Path, Path, Any, Manifest]]:
    """Yield (path, path of the spec, metadata, spec) of every pod template, without recursion. Raises TooManyValues.

    Pods of objects in the object whose kind has a known shape, as in a list of resources to apply, are added to ``embedded``.
    """
    if _group(owner) == _SERVING:
        yield from _predictors(owner)
    pending: list[tuple[Path, Any]] = [((), owner)]
    steps = 0
    while pending:
        path, value = pending.pop()
        steps += 1
        if steps > MAX_VALUES:
            raise TooManyValues
        if isinstance(value, list):
            pending += [((*path, n), value[n]) for n in range(len(value) - 1, -1, -1)]
            continue
        if not isinstance(value, dict):
            continue
        if path and "kind" in value and "apiVersion" in value:
            embedded += shaped(value, path)
        spec: Any = value.get("spec")
        if is_pod_spec(spec):
            yield path, (*path, "spec"), value.get("metadata"), spec
        elif path and path[-1] != "spec" and is_pod_spec(value) and not _is_predictor(owner, path):
            # A PodSpec without metadata, as in LLMInferenceService or Flink's and Prometheus' kinds.
            yield path, path, None, value
            continue
        pending += [((*path, key), value[key]) for key in reversed(value) if not _skips(path, key, spec)]


def _skips(path: Path, key: Any, spec: Any) -> bool:
    # A pod holds no pod: its own spec isn't looked through.
    return (key == "spec" and is_pod_spec(spec)) or (not path and key in ("status", "metadata"))


def is_pod_spec(value: Any) -> bool:
    """Say whether a value looks like a PodSpec: a list of containers, each a mapping, one of them with a name or an image."""
    if not isinstance(value, dict):
        return False
    containers = value.get("containers")
    if not isinstance(containers, list) or not containers:
        return False
    return any(isinstance(c, dict) and ("image" in c or "name" in c) for c in containers)


def _is_predictor(owner: Manifest, path: Path) -> bool:
    return _group(owner) == _SERVING and owner.get("kind") == "InferenceService" and len(path) >= 2


def _predictors(owner: Manifest) -> Iterator[tuple[Path, Path, Any, Manifest]]:
    """Yield the pods of a KServe InferenceService: a PodSpec, or one container of a serving runtime, with settings beside it."""
    spec = owner.get("spec")
    if owner.get("kind") != "InferenceService" or not isinstance(spec, dict):
        return
    for role in ("predictor", "transformer", "explainer"):
        part = spec.get(role)
        if not isinstance(part, dict):
            continue
        yield from _predictor(owner, ("spec", role), part)
        worker = part.get("workerSpec")
        if isinstance(worker, dict):
            yield from _predictor(owner, ("spec", role, "workerSpec"), worker)


def _predictor(owner: Manifest, path: Path, part: Manifest) -> Iterator[tuple[Path, Path, Any, Manifest]]:
    forms = [(name, part[name]) for name in _RUNTIME_FORMS if isinstance(part.get(name), dict)]
    extra = [{**form, "name": form.get("name") or _RUNTIME_CONTAINER} for _, form in forms]
    own = part.get("containers")
    containers = [*(own if isinstance(own, list) else []), *extra]
    if containers:
        rest = {key: value for key, value in part.items() if key not in _RUNTIME_FORMS and key != "workerSpec"}
        metadata = {key: (owner.get("metadata") or {}).get(key) for key in ("labels", "annotations")}
        yield path, path, metadata, {**rest, "containers": containers}


def _ephemeral_claims(spec: Any, path: Path, owner: Manifest, namespace: str) -> list[Made]:
    volumes = spec.get("volumes") if isinstance(spec, dict) else None
    found: list[Made] = []
    for n, volume in enumerate(volumes if isinstance(volumes, list) else ()):
        ephemeral = volume.get("ephemeral") if isinstance(volume, dict) else None
        template = ephemeral.get("volumeClaimTemplate") if isinstance(ephemeral, dict) else None
        if isinstance(template, dict):
            at = (*path, "volumes", n, "ephemeral", "volumeClaimTemplate")
            found.append(Made(at, _claim(template, owner, namespace), (*at, "spec")))
    return found


def _claims(templates: Any, path: Path, owner: Manifest, namespace: str) -> list[Made]:
    found = enumerate(templates if isinstance(templates, list) else ())
    return [Made((*path, n), _claim(t, owner, namespace), (*path, n, "spec")) for n, t in found if isinstance(t, dict)]


def _claim(template: Manifest, owner: Manifest, namespace: str) -> Manifest:
    raw = template.get("metadata")
    own = raw if isinstance(raw, dict) else {}
    name = own.get("name") or (owner.get("metadata") or {}).get("name") or "claim"
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {**own, "name": name, "namespace": namespace},
        "spec": template.get("spec") if template.get("spec") is not None else {},
    }
