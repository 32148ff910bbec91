"""Judges a folder of other projects' files, and writes the verdicts down.

Run it by ``python -m tests.unit.check.neighbours.record FOLDER``.

What changes in ``verdicts.yaml`` is to be read before it is committed: it is what users of those projects will see.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner

from daulat.cli.check.command import check

HERE = Path(__file__).parent
POLICY, VERDICTS, REVIEWED = HERE / "policy.yaml", HERE / "verdicts.yaml", HERE / "reviewed.yaml"
SUFFIXES = (".yaml", ".yml", ".json")
Report = dict[str, Any]


def projects(folder: Path) -> list[Path]:
    """Return the folders of the projects."""
    return sorted(path for path in folder.iterdir() if path.is_dir())


def files(project: Path) -> Iterator[Path]:
    """Yield the files that hold manifests, hidden ones too."""
    yield from sorted(p for p in project.rglob("*") if p.is_file() and p.suffix in SUFFIXES)


def judged(project: Path) -> Report:
    """Return the report on a project, with paths under the folder of all. `check` skips hidden files, so they are named."""
    hidden = [str(p) for p in files(project) if any(part.startswith(".") for part in p.relative_to(project).parts)]
    arguments = [str(project), *hidden, "--policy-dir", str(POLICY), "--skip-foreign", "-o", "json"]
    done = CliRunner().invoke(check, arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    text = done.stdout.replace(f"{project.parent}/", "")
    report: Report = json.loads(text)
    return report


def verdict(found: Report) -> str:
    """Return what came of an object: its result, and the ids of the controls that it breaks."""
    ids = sorted({f["control"] for f in found["findings"] if f["control"]})
    also = ["and not in full"] if found["unjudged"] and found["result"] != "unjudged" else []
    return " ".join([found["result"], *ids, *also])


def recorded(report: Report) -> dict[str, Any]:
    """Return the report as it is recorded. Objects that are allowed are counted by kind."""
    by_file: dict[str, list[str]] = {}
    allowed: Counter[str] = Counter()
    for found in report["objects"]:
        if found["result"] == "allowed":
            allowed[found["kind"]] += 1
        else:
            by_file.setdefault(found["file"], []).append(f"{found['line']} {found['kind']}: {verdict(found)}")
    problems = sorted({f"{p['file']}:{p['line']}" for p in report["problems"]})
    return {
        "summary": {key: number for key, number in report["summary"].items() if number},
        "allowed": dict(sorted(allowed.items())),
        "problems": problems,
        "objects": by_file,
    }


def main(folder: Path) -> None:
    """Write the verdicts down."""
    found = {project.name: recorded(judged(project)) for project in projects(folder)}
    VERDICTS.write_text(yaml.safe_dump(found, sort_keys=False, width=400, default_flow_style=None))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
