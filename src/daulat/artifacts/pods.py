"""What pods need, whatever makes them: images of containers and volumes, and weights that arguments and variables name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from daulat.check.templates import Made, made
from daulat.manifest.document import Document
from daulat.manifest.paths import CONTAINERS, Path

from .needs import Needs, Role, mention
from .weights import add_uri, uris

_WEIGHTS = "weights"
_TEXTS = ("command", "args")


def add_pods(needs: Needs, document: Document, namespace: str, role: Role = Role.WORKLOAD) -> list[Made]:
    """Add what the object's pods need, and return them. ``role``: that of their containers. Raises TooManyValues."""
    found = made(document.object, namespace)
    if document.kind == "Pod" and document.api_version == "v1":
        found = [Made((), document.object, ("spec",)), *found]
    for pod in found:
        if pod.object.get("kind") == "Pod":
            _add_pod(needs, document, pod, role)
    return found


def _add_pod(needs: Needs, document: Document, pod: Made, own: Role) -> None:
    spec = pod.object.get("spec")
    if not isinstance(spec, dict):
        return
    for unread in pod.unread:
        needs.unknown(mention(document, unread), "it changes the pod when its controller fills it in")
    for key in CONTAINERS:
        role = Role.INIT_CONTAINER if key == "initContainers" else own
        for n, container in _mappings(spec.get(key)):
            at: Path = ("spec", key, n)
            where = mention(document, _origin(pod, (*at, "image")))
            image, name = container.get("image"), str(container.get("name") or "")
            if image and isinstance(image, str) and name not in pod.undecided:
                needs.image(role, image, where)
            else:
                needs.unknown(where, f"the image of container {name or n} is set by the controller of {document.kind}")
            _add_weights(needs, document, pod, container, at)
    for n, volume in _mappings(spec.get("volumes")):
        source = volume.get("image")
        if isinstance(source, dict) and isinstance(source.get("reference"), str):
            path = _origin(pod, ("spec", "volumes", n, "image", "reference"))
            role = Role.WEIGHTS if volume.get("name") == _WEIGHTS else Role.WORKLOAD
            needs.image(role, source["reference"], mention(document, path))


def _add_weights(needs: Needs, document: Document, pod: Made, container: Mapping[str, Any], at: Path) -> None:
    texts: list[tuple[Path, Any]] = []
    for key in _TEXTS:
        words = container.get(key)
        texts += [((*at, key, n), word) for n, word in enumerate(words if isinstance(words, list) else ())]
    for n, variable in _mappings(container.get("env")):
        texts.append(((*at, "env", n, "value"), variable.get("value")))
    for path, text in texts:
        for uri in uris(text) if isinstance(text, str) else ():
            add_uri(needs, uri, mention(document, _origin(pod, path)))


def _origin(pod: Made, path: Path) -> Path:
    """Return where in the document a part of the pod's stands, or the nearest part around it that does."""
    if pod.origins is None:
        return (*pod.spec_path, *path[1:])
    for length in range(len(path), 0, -1):
        if path[:length] in pod.origins:
            return (*pod.origins[path[:length]], *path[length:])
    return pod.path


def _mappings(value: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    for n, each in enumerate(value if isinstance(value, list) else ()):
        if isinstance(each, dict):
            yield n, each
