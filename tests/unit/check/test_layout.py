"""Of charts and kustomizations in directories, what isn't a manifest is left out and said, and nothing else is."""

from __future__ import annotations

import pytest

from daulat.check.layout import layout

OBJECT = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


def test_a_charts_files_and_its_templates_arent_manifests() -> None:
    found = layout(
        {
            "c/Chart.yaml": b"apiVersion: v2\nname: c\n",
            "c/values.yaml": b"kind: Deployment\nmetadata: {}\n",
            "c/values-prod.yaml": b"a: 1\n",
            "c/templates/pod.yaml": b"kind: {{ .Values.kind }}\n",
            "c/templates/plain.yaml": OBJECT,
            "c/crds/a.yaml": OBJECT,
            "c/charts/d/templates/x.yaml": b"a: {{ . }}\n",
            "other/templates/plain.yaml": OBJECT,
        }
    )
    assert found.skipped == {"c/Chart.yaml", "c/values.yaml", "c/values-prod.yaml", "c/templates/pod.yaml"}
    assert found.unbuilt == ("c: 1 template of a chart, not judged. Render it: helm template c | daulat check -",)


def test_an_object_beside_a_chart_is_judged_whatever_its_file_is_called() -> None:
    found = layout({"Chart.yaml": b"apiVersion: v2\nname: c\n", "values.yaml": OBJECT, "pod.yaml": OBJECT})
    assert found.skipped == {"Chart.yaml"}
    assert found.unbuilt == ()


def test_the_patches_that_a_kustomization_names_arent_manifests() -> None:
    kustomization = b"""
resources: [../base, own.yaml]
patches: [{path: patch.yaml}, {path: ./deep/json.yaml, target: {kind: Pod}}, {patch: "- op: remove\\n  path: /a"}]
patchesStrategicMerge: [old.yaml, "apiVersion: v1\\nkind: Pod"]
patchesJson6902: [{target: {}, path: ../json6902.yaml}]
configMapGenerator: [{name: a, files: [key=config.yaml]}]
"""
    names = ("own", "patch", "deep/json", "old", "config", "beside")
    files = {f"o/p/{name}.yaml": OBJECT for name in names} | {"o/json6902.yaml": b"- op: remove\n"}
    found = layout({**files, "o/p/kustomization.yaml": kustomization, "o/base/a.yaml": OBJECT})
    skipped = {f"o/p/{name}.yaml" for name in ("kustomization", "patch", "deep/json", "old", "config")}
    assert found.skipped == skipped | {"o/json6902.yaml"}
    assert len(found.unbuilt) == 1
    assert found.unbuilt[0].startswith("o/p: resources are judged as written in their files")
    assert "o/p/patch.yaml" in found.unbuilt[0]
    assert "kustomize build o/p" in found.unbuilt[0]


def test_a_kustomization_that_only_lists_resources_needs_no_remark() -> None:
    assert layout({"b/kustomization.yml": b"resources: [a.yaml]\n", "b/a.yaml": OBJECT}).unbuilt == ()


def test_a_component_is_built_with_an_overlay() -> None:
    (remark,) = layout({"c/kustomization.yaml": b"kind: Component\npatches: []\n"}).unbuilt
    assert "a kustomize component isn't judged by itself" in remark


def test_a_kustomization_that_cant_be_read_is_left_to_be_reported() -> None:
    assert layout({"kustomization.yaml": b"resources: [\n"}).skipped == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        b"kind: Pod\nmetadata:\n  name: {{ .Release.Name }}\n",
        b"{{- if .Values.on }}\nkind: Pod\n{{- end }}\n",
        b'labels:\n  {{- include "x.labels" . | nindent 4 }}\n',
        b"{{/* a comment */}}\n",
        b"- {{ $x := 1 }}\n",
    ],
)
def test_a_template_without_its_chart_is_left_out_too(text: bytes) -> None:
    found = layout({"templates/a.yaml": text})
    assert found.skipped == {"templates/a.yaml"}
    assert found.unbuilt == ("templates/a.yaml: a template, not judged. Render it: helm template ... | daulat check -",)


@pytest.mark.parametrize(
    "text",
    [
        b'image: "{{inputs.parameters.image}}"\n',
        b"image: '{{ workflow.parameters.image }}'\n",
        b'message: "{{request.object.metadata.name}}"\n',
        b"expr: up == 0\nsummary: '{{ $labels.job }} is down'\n",
        b"# {{ .Values.x }}\nkind: Pod\n",
        b"data:\n  rule: |\n    text {{ if x }}\n",
        b"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  note: |\n    {{- if .Values.on }}\n",
    ],
)
def test_other_expressions_in_braces_are_no_templates(text: bytes) -> None:
    assert layout({"a.yaml": text}).skipped == frozenset()
