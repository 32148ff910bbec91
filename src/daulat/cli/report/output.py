"""What ``daulat report`` writes: a bundle's files, and a summary on standard output."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from daulat.api.counted import counted
from daulat.evidence.report.collect import Collected

from ..text import printable


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files below a folder, which is made where it isn't there."""
    for path, data in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def summary(report: Mapping[str, Any], found: Collected, folder: Path, signed: bool) -> str:
    """Return what the report says in a few lines."""
    lines = [f"{s['title']}: {s['total']}" + _more(s) for s in report["sections"]]
    lines += [f"  {_where(row)}: {row['runs']}" for row in report["places"]]
    lines += report["unobserved"]
    log = report["log"]
    lines.append(f"checkpoint: {log['origin']}, {log['size']} entries, signed")
    lines += [f"witnessed: {w['name']}" for w in log["witnesses"]] or ["not witnessed"]
    state = "signed" if signed else "not signed: no --sign-key was given"
    lines.append(f"{folder}: {counted(len(found.proved.proofs), 'proof')}, {state}")
    return "".join(f"{printable(line)}\n" for line in lines)


def _more(section: Mapping[str, Any]) -> str:
    left = section["total"] - section["listed"]
    return (f", {section['listed']} listed" if left else "") + (f" ({section['note']})" if "note" in section else "")


def _where(row: Mapping[str, Any]) -> str:
    if "others" in row:
        return f"runs in {row['others']} other places"
    return f"runs in {row['country'] or 'an unknown country'}, zone {row['zone'] or 'none'}, {row['place']}"
