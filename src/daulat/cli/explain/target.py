"""What to explain, as the user writes it, and the objects of the input that it names."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

import click

from daulat.api.kinds import KINDS
from daulat.catalog import accelerators
from daulat.catalog.presets import presets
from daulat.check.scopes import is_cluster_scoped, resource_of
from daulat.kube.resources import BY_KIND
from daulat.manifest.document import Document

_ID = re.compile(r"^[A-Za-z]{3}-[0-9]{2}$")
_CHECK = "DOC-"
"""What the ids of the checks of ``daulat doctor`` start with."""
_PRESET = ("preset", "presets")
_POLICY = "sovereigntypolicy"
_OWN = {
    word: kind.kind.lower() for kind in KINDS for word in (kind.kind.lower(), kind.plural, kind.short, f"{kind.short}s")
}
_WORDS = {
    **_OWN,
    **dict.fromkeys(("model", "models"), "sovereignmodel"),
    **dict.fromkeys(("policy", "policies"), _POLICY),
    **dict.fromkeys(("zone", "zones"), "sovereignzone"),
    **dict.fromkeys(("profile", "profiles", "accelerator", "accelerators"), "acceleratorprofile"),
    **dict.fromkeys(("exemption", "exemptions"), "sovereigntyexemption"),
    **dict.fromkeys(("attestation", "attestations"), "nodeattestation"),
    "cj": "cronjob",
    "cm": "configmap",
    "deploy": "deployment",
    "ds": "daemonset",
    "ing": "ingress",
    "netpol": "networkpolicy",
    "no": "node",
    "ns": "namespace",
    "po": "pod",
    "pv": "persistentvolume",
    "pvc": "persistentvolumeclaim",
    "rs": "replicaset",
    "sa": "serviceaccount",
    "sts": "statefulset",
    "svc": "service",
}
"""Daulat's kinds by each of their names, and the short names of Kubernetes' own that users write most."""
_TWO_WORDS = frozenset(
    (*_WORDS, *_WORDS.values(), "nodes", "namespaces", "pods", "deployments", "statefulsets", *_PRESET)
)
_JUDGING = frozenset(
    (
        "SovereigntyPolicy",
        "SovereignZone",
        "AcceleratorProfile",
        "SovereigntyExemption",
        "NodeAttestation",
        "Namespace",
        "Node",
    )
)
"""Kinds that other objects are judged by. Beside others in a file they aren't explained themselves."""


@dataclass(frozen=True)
class ControlTarget:
    """A control."""

    id: str


@dataclass(frozen=True)
class CheckTarget:
    """A check of ``daulat doctor``."""

    id: str


@dataclass(frozen=True)
class PresetTarget:
    """A shipped preset."""

    name: str


@dataclass(frozen=True)
class PolicyTarget:
    """A SovereigntyPolicy."""

    name: str


@dataclass(frozen=True)
class ObjectTarget:
    """An object. The kind is in lower case, and may be a plural."""

    kind: str
    namespace: str
    name: str
    text: str
    """As the user wrote it."""

    @property
    def is_shipped_profile(self) -> bool:
        """Whether it is an AcceleratorProfile that comes with Daulat, so that it can be explained without any input."""
        return self.kind == "acceleratorprofile" and self.name in accelerators.shipped()

    @property
    def cluster_scoped(self) -> bool:
        """Whether it is known to be in no namespace."""
        return any(self.kind in (r.kind.lower(), r.plural) and not r.namespaced for r in BY_KIND.values())

    def among(self, documents: Sequence[Document], default_namespace: str) -> list[Document]:
        """Return the object that is meant, or nothing."""
        return [
            d
            for d in documents
            if self.kind in (d.kind.lower(), resource_of(d.group, d.kind))
            and d.name == self.name
            and (
                is_cluster_scoped(d.group, d.kind)
                or str(d.metadata.get("namespace") or default_namespace) == self.namespace
            )
        ][:1]


@dataclass(frozen=True)
class FilesTarget:
    """The objects in files."""

    paths: tuple[str, ...]

    def among(self, documents: Sequence[Document]) -> list[Document]:
        """Return the objects of the files; of those that others are judged by only where there are no others."""
        names = {"<stdin>" if path == "-" else os.path.normpath(path) for path in self.paths}
        there = [d for d in documents if _in(d.chunk.file, names)]
        return [d for d in there if d.kind not in _JUDGING] or there


Shipped = ControlTarget | CheckTarget | PresetTarget
"""What comes with Daulat, and is explained without any input."""
Given = PolicyTarget | ObjectTarget | FilesTarget
Target = Shipped | Given


def parse(words: Sequence[str], files: Sequence[str], namespace: str) -> tuple[Target, Sequence[str]]:
    """Return what to explain, and the paths behind it. Raises click.UsageError."""
    if files:
        return FilesTarget(tuple(files)), words
    if not words:
        raise click.UsageError("Missing argument 'TARGET': a control, a policy or an object, or -f FILE.")
    text, paths = words[0], words[1:]
    # Kind and name may be two words, as kubectl has them. A folder of a model's weights may have the model's name.
    if (
        paths
        and "/" not in text
        and text.lower() in _TWO_WORDS
        and "/" not in paths[0]
        and not os.path.isfile(paths[0])
    ):
        text, paths = f"{text}/{paths[0]}", paths[1:]
    if _ID.match(text):
        named = text.upper()
        return (CheckTarget(named) if named.startswith(_CHECK) else ControlTarget(named)), paths
    kind, *rest = text.split("/")
    if not rest:
        return _by_name(text, namespace, known_alone=not paths), paths
    if len(rest) > 2 or not kind or not all(rest):
        raise click.UsageError(f"Invalid value for 'TARGET': {text} isn't KIND/NAME or KIND/NAMESPACE/NAME.")
    if kind.lower() in _PRESET:
        return PresetTarget(rest[-1]), paths
    kind = _WORDS.get(kind.lower(), kind.lower())
    if kind == _POLICY:
        return PolicyTarget(rest[-1]), paths
    return ObjectTarget(kind, rest[0] if len(rest) == 2 else namespace, rest[-1], text), paths


def _by_name(name: str, namespace: str, known_alone: bool) -> Target:
    """Return what a name without a kind means: a policy, or with no path behind it what Daulat ships under that name."""
    if known_alone and name in presets():
        return PresetTarget(name)
    if known_alone and name in accelerators.shipped():
        return ObjectTarget("acceleratorprofile", namespace, name, name)
    return PolicyTarget(name)


def _in(file: str, names: set[str]) -> bool:
    path = os.path.normpath(file)
    return path in names or any(path.startswith(name + os.sep) for name in names)
