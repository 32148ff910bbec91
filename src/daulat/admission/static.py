"""Turns compiled manifests into the API server's static ones (KEP-5793), which nobody can see, change or delete through the API.

The API server reads validating and mutating policies from a directory each. It takes a change of a directory as a whole or
keeps the last good set, so each directory gets one file, which is replaced in one step.
"""

from __future__ import annotations

from collections.abc import Iterable

from daulat.api.kinds import Manifest
from daulat.api.names import GROUP

SUFFIX = ".static.k8s.io"
"""What names of static manifests end with; the API refuses such names to everybody."""
VALIDATING, MUTATING = "validating", "mutating"
"""The two directories, by the admission plugin that reads them."""
_CONFIG = "apiserver.config.k8s.io/v1"
_PLUGINS = {"ValidatingAdmissionPolicy": VALIDATING, "MutatingAdmissionPolicy": MUTATING}


def static_name(name: str) -> str:
    """Return the name under which the API server takes a manifest from its directory."""
    if name.endswith(SUFFIX):
        return name
    stem = name.removesuffix(f".{GROUP}")
    return f"{stem}.{GROUP.partition('.')[0]}{SUFFIX}"


def static(manifests: Iterable[Manifest]) -> dict[str, list[Manifest]]:
    """Return static manifests by directory, in the order of kind and name. A directory may hold none."""
    found: dict[str, list[Manifest]] = {VALIDATING: [], MUTATING: []}
    for manifest in manifests:
        directory = MUTATING if manifest["kind"].startswith("Mutating") else VALIDATING
        found[directory].append(_renamed(manifest))
    return {directory: sorted(items, key=_order) for directory, items in found.items()}


def admission_configuration(directory: str) -> Manifest:
    """Return the file that makes the API server read the two directories under this one, an absolute path on its host."""
    root = directory.rstrip("/")
    return {
        "apiVersion": _CONFIG,
        "kind": "AdmissionConfiguration",
        "plugins": [
            {
                "name": plugin,
                "configuration": {
                    "apiVersion": _CONFIG,
                    "kind": f"{plugin}Configuration",
                    "staticManifestsDir": f"{root}/{folder}",
                },
            }
            for plugin, folder in _PLUGINS.items()
        ],
    }


def _renamed(manifest: Manifest) -> Manifest:
    spec = manifest["spec"]
    if manifest["kind"].endswith("Binding"):
        spec = {**spec, "policyName": static_name(spec["policyName"])}
    return {
        **manifest,
        "metadata": {**manifest["metadata"], "name": static_name(manifest["metadata"]["name"])},
        "spec": spec,
    }


def _order(manifest: Manifest) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]
