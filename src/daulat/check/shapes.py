"""Makes the pods of kinds whose shape the catalogue knows, and remembers where in the object each part of them stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daulat.api.kinds import Manifest
from daulat.catalog.pod_kinds import PodShape, pod_kinds
from daulat.manifest.paths import CONTAINERS, Path
from daulat.manifest.yaml_reader import read

_STEP = re.compile(r"([^.\[\]\"]+)|(\[\*\])|\[\"([^\"]+)\"\]")
_ABSENT: Any = object()
_OWN = ("$each", "$spread", "$keep")
_TEMPLATED = re.compile(r"\{\{|\$\(|\$\{")


@dataclass(frozen=True)
class Shaped:
    """A pod, and where its parts stand in the object that it is made of."""

    path: Path
    """The value that the pod is made of. Of another object, the one that switches it on where there is one."""
    metadata: Manifest
    spec: Manifest
    origins: Mapping[Path, Path]
    """The path in the object of each path in the pod that was copied from there, with all below it."""
    unread: tuple[Path, ...] = ()
    """Fields that make or change pods and aren't read, such as a patch that is filled in later."""
    kind: str = "Pod"


def shaped(owner: Manifest, at: Path = ()) -> Iterator[Shaped]:
    """Yield the pods of an object that stands at a path of another. Those found by the shape of a PodSpec aren't among them."""
    group = str(owner.get("apiVersion") or "").rpartition("/")[0]
    if "." not in group:
        return  # Kubernetes' own kinds with pods have templates, and the table takes time to be read.
    for known in pod_kinds().get((group, str(owner.get("kind") or "")), ()):
        for where in known.roots:
            for root_path, root in _values(owner, where, ()):
                for shape in known.shapes:
                    for below in shape.at:
                        for path, base in _values(root, below, root_path):
                            if isinstance(base, dict):
                                yield from _made(shape, _Reading(owner, root, root_path, base, path, at))


def is_templated(text: Any) -> bool:
    """Say whether a text has a part that its controller fills in, such as a parameter of a workflow."""
    return isinstance(text, str) and _TEMPLATED.search(text) is not None


def _made(shape: PodShape, reading: _Reading) -> Iterator[Shaped]:
    switches = [path for path, value in reading.referred(shape.when) if value] if shape.when else [reading.path]
    if not switches:
        return
    metadata = reading.resolved(shape.metadata, ("metadata",))
    spec = reading.resolved(shape.spec, ("spec",))
    unread = [path for reference in shape.unread for path, value in reading.referred(reference) if value]
    if not isinstance(spec, dict):
        if metadata is _ABSENT and not unread:
            return
        spec = {}
    if shape.kind != "Pod":
        found = metadata if isinstance(metadata, dict) else {}
        yield Shaped((*reading.at, *switches[0]), found, spec, reading.origins, kind=shape.kind)
        return
    for key in CONTAINERS:
        if key in spec:
            spec[key] = [_container(each) for each in spec[key]] if isinstance(spec[key], list) else []
    if not shape.overlay and not (spec.get("containers") or spec.get("initContainers") or unread):
        return
    unread += [path for reference in shape.patches for path in reading.patched(spec, reference)]
    spec.setdefault("containers", [])
    yield Shaped(
        (*reading.at, *reading.path),
        metadata if isinstance(metadata, dict) else {},
        spec,
        reading.origins,
        tuple((*reading.at, *path) for path in unread),
    )


def _container(value: Any) -> Manifest:
    """Return a container with its image as a text. What is none, which the API server refuses, keeps its place in the list."""
    if not isinstance(value, dict):
        return {}
    return {**value, "image": image_of(value["image"])} if isinstance(value.get("image"), dict) else value


def image_of(parts: Mapping[str, Any]) -> str:
    """Return the text of an image that is given in parts: registry, repository or name, tag, digest."""
    text = "/".join(str(parts[key]) for key in ("registry", "repository", "name", "image") if parts.get(key))
    if parts.get("tag"):
        text += f":{parts['tag']}"
    return f"{text}@{parts['digest']}" if parts.get("digest") else text


class _Reading:
    """One base of a shape: resolves templates on it."""

    def __init__(self, owner: Manifest, root: Any, root_path: Path, base: Any, path: Path, at: Path) -> None:
        self.owner, self.root, self.root_path, self.base, self.path, self.at = owner, root, root_path, base, path, at
        self.origins: dict[Path, Path] = {}

    def resolved(self, template: Any, to: Path, start: int = 0) -> Any:
        """Return a template's value, absent where nothing that it refers to is there. The items of a list count from ``start``."""
        if isinstance(template, str) and template.startswith("$"):
            return next((self._taken(value, path, to) for path, value in self.referred(template)), _ABSENT)
        if isinstance(template, list):
            items: list[Any] = []
            for each in template:
                self._append(items, each, to, start)
            return items or _ABSENT
        if not isinstance(template, dict):
            return template
        if "$first" in template:
            return next((v for t in template["$first"] if (v := self.resolved(t, to)) is not _ABSENT), _ABSENT)
        if "$strip" in template:
            prefix, reference = template["$strip"]
            text = self.resolved(reference, to)
            return text.removeprefix(prefix) if isinstance(text, str) and text.startswith(prefix) else _ABSENT
        if "$flags" in template or "$variables" in template:
            return self._listed(template, to, start) or _ABSENT
        return self._mapping(template, to)

    def _mapping(self, template: Mapping[str, Any], to: Path) -> Any:
        result: dict[str, Any] = {}
        is_kept = bool(template.get("$keep"))
        for reference in template.get("$spread", ()):
            for path, value in self.referred(reference):
                if isinstance(value, dict):
                    is_kept = True
                    for key, item in value.items():
                        self._merge(result, key, self._taken(item, (*path, key), (*to, key)))
        for key, each in template.items():
            if key in _OWN:
                continue
            name = self._name(key, to)
            before = result.get(name)
            value = self.resolved(each, (*to, name), len(before) if isinstance(before, list) else 0)
            if value is not _ABSENT:
                is_kept = is_kept or _refers(each)
                self._merge(result, name, value)
        return result if is_kept else _ABSENT

    def _append(self, items: list[Any], template: Any, to: Path, start: int) -> None:
        if isinstance(template, str) and template.startswith("$"):
            for path, value in self.referred(template):
                items.append(self._taken(value, path, (*to, start + len(items))))
        elif isinstance(template, dict) and "$each" in template:
            for path, value in _values(self.base, template["$each"], self.path):
                if isinstance(value, dict):
                    items.append(self._item(template, path, value, (*to, start + len(items))))
        elif isinstance(template, dict) and "$variables" in template:
            items += self._listed(template, to, start + len(items))
        elif (value := self.resolved(template, (*to, start + len(items)))) is not _ABSENT:
            items.append(value)

    def _listed(self, template: Mapping[str, Any], to: Path, start: int) -> list[Any]:
        """Return a mapping as arguments or as environment variables, which count from ``start``."""
        made = _flag if "$flags" in template else _variable
        source = (*to, "of a mapping")
        values = self.resolved(template.get("$flags", template.get("$variables")), source)
        found = (
            [(key, item) for key, value in values.items() if (item := made(key, value))]
            if isinstance(values, dict)
            else []
        )
        for n, (key, _) in enumerate(found):
            whole = self.origins.get(source)
            self.origins[(*to, start + n)] = (
                (*whole, key) if whole else self.origins.get((*source, key), (*self.at, *self.path))
            )
        return [item for _, item in found]

    def _item(self, template: Mapping[str, Any], path: Path, value: Manifest, to: Path) -> Manifest:
        inner = _Reading(self.owner, self.root, self.root_path, value, path, self.at)
        own = {key: each for key, each in template.items() if key != "$each"}
        item = inner.resolved({"$spread": ["$."], **own}, to)
        self.origins.update({to: (*self.at, *path), **inner.origins})
        return dict(item) if isinstance(item, dict) else {}

    def _merge(self, result: dict[str, Any], key: str, value: Any) -> None:
        """Merge a value in: mappings deeply, lists appended, and what is there already stays otherwise."""
        before = result.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            for inner, item in value.items():
                self._merge(before, inner, item)
        elif isinstance(before, list) and isinstance(value, list):
            before.extend(value)
        elif before is None:
            result[key] = dict(value) if isinstance(value, dict) else list(value) if isinstance(value, list) else value

    def _name(self, key: str, to: Path) -> str:
        if not key.startswith("$"):
            return key
        reference, _, default = key.partition("|")
        for path, value in self.referred(reference):
            if value:
                self.origins[(*to, f"name of {value}")] = (*self.at, *path)
                return str(value)
        return default or "unnamed"

    def referred(self, reference: str) -> Iterator[tuple[Path, Any]]:
        """Yield every value that a reference leads to, with its path."""
        if reference.startswith("$//"):
            yield from _values(self.owner, reference[3:], ())
        elif reference.startswith("$/"):
            yield from _values(self.root, reference[2:], self.root_path)
        else:
            yield from _values(self.base, reference[1:] or ".", self.path)

    def _taken(self, value: Any, path: Path, to: Path) -> Any:
        self.origins.setdefault(to, (*self.at, *path))
        return dict(value) if isinstance(value, dict) else list(value) if isinstance(value, list) else value

    def patched(self, spec: Manifest, reference: str) -> Iterator[Path]:
        """Merge the patches that a reference leads to over a spec. Yield the paths of those that can't be read."""
        for path, text in self.referred(reference):
            if not text:
                continue
            reading = None if is_templated(text) or not isinstance(text, str) else read(text)
            if reading is None or reading.flaws or not isinstance(reading.value, dict):
                yield path
                continue
            for key, value in reading.value.items():
                spec[key] = _patched(spec.get(key), value)
                self.origins[("spec", key)] = (*self.at, *path)


def _patched(before: Any, value: Any) -> Any:
    """Return a value under a strategic merge patch, as far as pods need it: lists of named items are merged by name."""
    if isinstance(before, dict) and isinstance(value, dict):
        return {**before, **{key: _patched(before.get(key), item) for key, item in value.items()}}
    if isinstance(before, list) and isinstance(value, list):
        result = list(before)
        for item in value:
            name = item.get("name") if isinstance(item, dict) else None
            n = next((n for n, b in enumerate(result) if isinstance(b, dict) and name and b.get("name") == name), None)
            if n is None:
                result.append(item)
            else:
                result[n] = _patched(result[n], item)
        return result
    return value


def _refers(template: Any) -> bool:
    return not isinstance(template, str) or template.startswith("$")


def _flag(key: str, value: Any) -> str:
    if value is False:
        return ""
    return f"--{key}" if value in (True, "", None) else f"--{key}={value}"


def _variable(key: str, value: Any) -> Manifest:
    return {"name": key, "value": value}


def _values(value: Any, where: str, path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield every value at a path that is there, with its whole path."""
    steps: Sequence[tuple[str, str, str]] = () if where in (".", "") else _STEP.findall(where)
    found: list[tuple[Path, Any]] = [(path, value)]
    for plain, every, quoted in steps:
        name = quoted or plain
        below: list[tuple[Path, Any]] = []
        for at, each in found:
            if every and isinstance(each, list):
                below += [((*at, n), item) for n, item in enumerate(each)]
            elif plain == "*" and isinstance(each, dict):
                below += [((*at, key), item) for key, item in each.items()]
            elif not every and isinstance(each, dict) and name in each:
                below.append(((*at, name), each[name]))
        found = below
    yield from ((at, each) for at, each in found if each is not None)
