"""Writes the tables of docs/reference/frameworks.md: which requirements of public frameworks the controls relate to."""

from __future__ import annotations

from daulat.catalog.frameworks import Framework, frameworks
from daulat.catalog.presets import presets
from dev.pages import between, page, table

PAGE = page("frameworks")


def written(text: str) -> str:
    """Return the page with its tables written anew."""
    known = frameworks()
    titles = {f.name: f.title for f in known.frameworks}
    sources = ("framework", "dated", "identifiers and titles from", "read", "grade")
    text = between(text, "frameworks", table(sources, map(_source, known.frameworks)))
    rows = [
        (
            f"`{control}`",
            mapping.relation,
            "; ".join(f"{titles[f]}: {_codes(identifiers)}" for f, identifiers in mapping.requirements.items()),
            mapping.because,
            mapping.confidence,
        )
        for mapping in known.mappings
        for control in mapping.controls
    ]
    by_control = ("control", "relation", "requirements", "because", "confidence")
    text = between(text, "framework-controls", table(by_control, sorted(rows)))
    by_requirement = []
    for framework in known.frameworks:
        for identifier, title in framework.titles.items():
            related = {
                (control, mapping.relation)
                for mapping in known.mappings
                if identifier in mapping.requirements.get(framework.name, ())
                for control in mapping.controls
            }
            said = ", ".join(f"`{control}` {relation}" for control, relation in sorted(related)) or "nothing"
            by_requirement.append((framework.title, f"`{identifier}`", title.replace("|", "\\|"), said))
    head = ("framework", "requirement", "title", "controls")
    text = between(text, "framework-requirements", table(head, by_requirement))
    gaps = [*known.left_out, *(f"`{c}` relates to nothing: {why}" for c, why in sorted(known.unmapped.items()))]
    return between(text, "framework-gaps", "\n" + "\n".join(f"- {gap}" for gap in gaps) + "\n")


def _source(framework: Framework) -> tuple[str, ...]:
    if framework.preset is not None:
        grades = sorted({c.grade for c in presets()[framework.preset].citations if c.field in framework.titles})
        return (
            framework.title,
            framework.dated,
            f"the citations of the preset [{framework.preset}](presets.md#{framework.preset}), by field",
            "there",
            ", ".join(grades),
        )
    return (
        framework.title,
        framework.dated,
        f"[{framework.source}]({framework.url})",
        str(framework.read),
        str(framework.grade),
    )


def _codes(identifiers: tuple[str, ...]) -> str:
    return ", ".join(f"`{i}`" for i in identifiers)
