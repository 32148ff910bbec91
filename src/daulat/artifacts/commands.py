"""Writes a shell script that copies artefacts with a tool that is there already: skopeo, crane or oras."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from shlex import quote

from .mirror import Mirror, Move
from .needs import Need, Role
from .reference import Reference

_PLAIN = {
    "skopeo": ("--src-tls-verify=false", "--dest-tls-verify=false"),
    "crane": ("--insecure", "--insecure"),
    "oras": ("--from-plain-http", "--to-plain-http"),
}
"""The options for a source and for a destination without TLS."""
TOOLS = tuple(_PLAIN)


def script(tool: str, todo: Sequence[Move], needs: Iterable[Need], to: Mirror, *, plain_http: bool = False) -> str:
    """Return the script. What no registry holds is a comment that says what to do."""
    lines = ["#!/bin/sh", f"# Copies what the manifests need to {to.prefix}, every platform of each image.", "set -eu"]
    lines += [_command(tool, move, plain_http=plain_http) for move in todo]
    for need in needs:
        if need.reference is None and need.role is Role.CHART and "://" not in need.text:
            flag = " --plain-http" if plain_http else ""
            lines.append(f"helm push {quote(need.text)} oci://{to.prefix}charts{flag}")
        elif need.reference is None:
            lines.append(f"# {need.role} {need.text}: {left_behind(need)}")
    return "\n".join(lines) + "\n"


def _command(tool: str, move: Move, *, plain_http: bool) -> str:
    source, destination = quote(_by_one(move.source)), quote(f"{move.destination.name}:{move.destination.tag}")
    plain = [
        flag
        for flag, is_plain in zip(
            _PLAIN[tool], (move.source.is_on_loopback, plain_http or move.destination.is_on_loopback), strict=True
        )
        if is_plain
    ]
    flags = "".join(f" {flag}" for flag in dict.fromkeys(plain))
    if tool == "skopeo":
        return f"skopeo copy --all --preserve-digests{flags} docker://{source} docker://{destination}"
    return f"{tool} copy{flags} {source} {destination}"


def _by_one(reference: Reference) -> str:
    """Return a reference by its digest or by its tag: skopeo takes none with both."""
    return f"{reference.name}@{reference.digest}" if reference.digest else f"{reference.name}:{reference.version}"


def left_behind(need: Need) -> str:
    """Return what to do with what no registry holds, as a sentence."""
    if need.role is Role.CHART:
        return (
            "push the release's file with helm push"
            if "://" not in need.text
            else "fetch it (helm pull), and push it (helm push)"
        )
    scheme = need.text.partition("://")[0]
    match scheme:
        case "pvc":
            return "copy the files to a claim of the cluster"
        case "s3":
            return "copy the files to an object store of your own, and name it in models.endpoints.s3"
        case "hf" | "ms":
            return f"mirror the repository, and name the mirror in models.endpoints.{scheme}"
        case _:
            return "copy the files to where the pod can reach them"
