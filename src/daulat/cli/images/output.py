"""What ``daulat images`` prints: a table, one document for programs, or only the references."""

from __future__ import annotations

import re
from typing import Any

from daulat.api.counted import few
from daulat.artifacts.needs import Mention, Need, Needs, images

from ..structured import WRITERS
from ..text import aligned, terminal_width

FORMATS = ("table", *WRITERS, "references")
_DIGEST = re.compile(r"(@sha256:[0-9a-f]{12})[0-9a-f]+")
_COLUMNS = ("KIND", "ARTEFACT", "PINNED", "NAMED BY")


def formatted(needs: Needs, form: str) -> str:
    """Return what is needed in a format."""
    if form == "references":
        return "".join(f"{reference}\n" for reference in images(needs.needed))
    if form == "table":
        return _table(needs)
    return WRITERS[form](
        {
            "apiVersion": "images.daulat.dev/v1",
            "kind": "ArtifactList",
            "artifacts": [_entry(need) for need in needs.needed],
            "unknown": [{**_place(u.mention), "reason": u.reason} for u in needs.unknowns],
        }
    )


def remarks(needs: Needs) -> list[str]:
    """Return what isn't known, and which artefacts may change under their names, as sentences."""
    found = [f"unknown: {unknown}" for unknown in needs.unknowns]
    tags = sum(not need.is_pinned for need in needs.needed if need.reference is not None)
    if tags:
        found.append(
            f"{tags} of {len(needs.needed)} {'is' if tags == 1 else 'are'} named only by a tag, which can be moved"
        )
    return found


def _entry(need: Need) -> dict[str, Any]:
    reference = need.reference
    parts = {} if reference is None else {"registry": reference.host, "repository": reference.repository}
    if reference is not None:
        parts |= {"tag": reference.tag} if reference.tag else {}
        parts |= {"digest": reference.digest} if reference.digest else {}
    return {
        "kind": need.role.value,
        "reference": need.text,
        **parts,
        "pinned": need.is_pinned,
        "namedBy": [_place(mention) for mention in need.mentions],
    }


def _place(mention: Mention) -> dict[str, Any]:
    line = {"line": mention.line} if mention.line else {}
    return {"file": mention.file, **line, "object": mention.object, "field": mention.field}


def _table(needs: Needs) -> str:
    rows = [_COLUMNS]
    for need in needs.needed:
        pinned = "digest" if need.is_pinned else "tag only" if need.reference is not None else "no"
        # The other formats have whole digests.
        text = _DIGEST.sub(r"\1…", need.text)
        rows.append(
            (need.role.value, text, pinned, few([str(need.mentions[0])], 1, total=len(need.mentions), last=", and "))
        )
    return "".join(f"{line}\n" for line in aligned(rows, terminal_width()))
