"""Everything that Daulat has an API server compile: what ``daulat compile`` writes, the operator applies, the chart installs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from bench import apiserver
from daulat.admission.advice import compile_advice, refusal_of
from daulat.admission.anchor import anchor
from daulat.admission.cluster import Installation, compile_cluster_guards
from daulat.admission.policy import compile_policy
from daulat.admission.static import static
from daulat.api.digest import digest
from daulat.api.meta import LabelSelector
from daulat.api.policy import SovereigntyPolicySpec
from daulat.api.zone import SovereignZoneSpec
from daulat.catalog import accelerators, presets
from daulat.controls import library
from dev.cluster import build
from dev.deployment import ROOT
from tests.corpus.scene import Scene

Manifest = dict[str, Any]
POLICIES = ("ValidatingAdmissionPolicy", "MutatingAdmissionPolicy")
SIDECARS = Installation(image="registry.example.my/daulat:1", sidecar_images=("registry.example.my/proxy:1",))


def policies(scenes: Iterable[Scene] = ()) -> list[Manifest]:
    """Return every admission policy, those of scenes too, those that say the same once, each with a name of its own."""
    found: dict[str, Manifest] = {}
    for manifest in [*_made(), *(m for scene in scenes for m in scene.in_force), *rendered_chart()]:
        if manifest["kind"] in POLICIES:
            found.setdefault(name_of(manifest), {**manifest, "metadata": {"name": name_of(manifest)}})
    return list(found.values())


def name_of(policy: Manifest) -> str:
    """Return a name that two policies share where they say the same."""
    name = policy["metadata"]["name"]
    # The corpus puts a namespace's number before it.
    guard = ".".join(part for part in name.split(".") if not (part[0] == "s" and part[1:].isdigit()))
    return f"{guard}-{digest([policy['kind'], policy['spec']])}"


def definitions() -> Iterator[Manifest]:
    """Return every CustomResourceDefinition, of the checkout and of the chart."""
    for folder in (ROOT / "crds", ROOT / "charts" / "daulat" / "crds"):
        for path in sorted(folder.glob("*.yaml")):
            yield yaml.safe_load(path.read_text())


def rendered_chart() -> list[Manifest]:
    """Return what the chart installs: the cluster's guards, and the one of the operator's rights."""
    helm = build.ensure(lambda _line: None)["helm"]
    command = [helm, "template", "daulat", str(ROOT / "charts" / "daulat"), "--namespace", "daulat-system"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [m for m in yaml.safe_load_all(text) if m]


def _made() -> Iterator[Manifest]:
    whole = apiserver.policy("whole").manifests
    yield from whole
    for manifests in static([*whole, *compile_cluster_guards()]).values():
        yield from manifests
    yield from anchor(("system:serviceaccount:daulat-system:daulat", "alice"))
    yield from compile_cluster_guards(SIDECARS)
    selector = LabelSelector.model_validate({"matchLabels": {"daulat.dev/data-class": "confidential"}})
    for there, eligible in ((["nvidia-h20"], True), ([], True), ([], False)):
        yield from compile_advice("whole", selector, there, eligible, refusal=refusal_of(apiserver.policy("whole")))
    yield from _examples()
    yield from _presets()


def _examples() -> Iterator[Manifest]:
    """Return what the policies of the examples compile to, each with the zones and profiles that there are."""
    written = [
        m for p in sorted(Path(ROOT / "examples").glob("*.yaml")) for m in yaml.safe_load_all(p.read_text()) if m
    ]
    zones = {
        m["metadata"]["name"]: SovereignZoneSpec.model_validate(m["spec"])
        for m in written
        if m["kind"] == "SovereignZone"
    }
    for manifest in written:
        if manifest["kind"] == "SovereigntyPolicy":
            spec = SovereigntyPolicySpec.model_validate(manifest["spec"])
            yield from compile_policy(manifest["metadata"]["name"], spec, accelerators.shipped(), zones=zones).manifests


def _presets() -> Iterator[Manifest]:
    for name, preset in presets.presets().items():
        for data_class in preset.data_classes or (None,):
            chosen = {"name": name, **({"dataClass": data_class} if data_class else {})}
            spec = SovereigntyPolicySpec.model_validate({**library.base()["policy"], "preset": chosen})
            yield from compile_policy("preset", spec, accelerators.shipped()).manifests
