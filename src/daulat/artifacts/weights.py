"""Weights as artefacts: a URI says where they are, and only those of a registry can be moved to another registry."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .needs import Mention, Needs, Role
from .reference import BadReference, parse

OCI = "oci://"
_URI = re.compile(r"\b(?:oci|hf|ms|modelscope|s3|gs|ngc|kaggle|pvc)://[-A-Za-z0-9._~:/@+=]+", re.ASCII)


def add_uri(needs: Needs, uri: str, mention: Mention) -> None:
    """Add weights by their URI."""
    if not uri.startswith(OCI):
        needs.add(Role.WEIGHTS, uri, None, mention)
        return
    try:
        reference = parse(uri.removeprefix(OCI))
    except BadReference as error:
        needs.unknown(mention, str(error))
    else:
        needs.add(Role.WEIGHTS, uri, reference, mention)


def uris(text: str) -> Iterator[str]:
    """Yield the URIs of weights in an argument or a variable's value."""
    for found in _URI.finditer(text):
        yield found[0].rstrip(".:/")
