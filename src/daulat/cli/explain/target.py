"""What to explain, as the user writes it, and the objects of the input that it names."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

import click

from daulat.check.scopes import resource_of
from daulat.manifest.document import Document

_CONTROL = re.compile(r"^[A-Za-z]{3}-[0-9]{2}$")
_POLICY_KINDS = frozenset(("sovereigntypolicy", "sovereigntypolicies", "spolicy", "policy"))
_ALIASES = {
    **dict.fromkeys(("model", "models", "smodel", "smodels", "sovereignmodels"), "sovereignmodel"),
    "deploy": "deployment",
    "sts": "statefulset",
    "ds": "daemonset",
}
_JUDGING = frozenset(
    ("SovereigntyPolicy", "SovereignZone", "AcceleratorProfile", "SovereigntyExemption", "Namespace", "Node")
)
"""Kinds that other objects are judged by. Beside others in a file they aren't explained themselves."""


@dataclass(frozen=True)
class ControlTarget:
    """A control."""

    id: str


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

    def among(self, documents: Sequence[Document], default_namespace: str) -> list[Document]:
        """Return the object that is meant, or nothing."""
        return [
            d
            for d in documents
            if self.kind in (d.kind.lower(), resource_of(d.group, d.kind))
            and d.name == self.name
            and str(d.metadata.get("namespace") or default_namespace) == self.namespace
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


Target = ControlTarget | PolicyTarget | ObjectTarget | FilesTarget


def parse(words: Sequence[str], files: Sequence[str], namespace: str) -> tuple[Target, Sequence[str]]:
    """Return what to explain, and the paths behind it. Raises click.UsageError."""
    if files:
        return FilesTarget(tuple(files)), words
    if not words:
        raise click.UsageError("Missing argument 'TARGET': a control, a policy or an object, or -f FILE.")
    text, paths = words[0], words[1:]
    # A model's kind and name may be two words, as kubectl has them.
    if paths and _kind(text) == "sovereignmodel" and not os.path.exists(paths[0]):
        text, paths = f"{text}/{paths[0]}", paths[1:]
    if _CONTROL.match(text):
        return ControlTarget(text.upper()), paths
    kind, *rest = text.split("/")
    if not rest:
        return PolicyTarget(kind), paths
    if len(rest) > 2 or not kind or not all(rest):
        raise click.UsageError(f"Invalid value for 'TARGET': {text} isn't KIND/NAME or KIND/NAMESPACE/NAME.")
    if kind.lower() in _POLICY_KINDS:
        return PolicyTarget(rest[-1]), paths
    return ObjectTarget(_kind(kind), rest[0] if len(rest) == 2 else namespace, rest[-1], text), paths


def _kind(word: str) -> str:
    return _ALIASES.get(word.lower(), word.lower())


def _in(file: str, names: set[str]) -> bool:
    path = os.path.normpath(file)
    return path in names or any(path.startswith(name + os.sep) for name in names)
