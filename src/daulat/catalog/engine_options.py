"""Reads the shipped data about options of inference engines that fetch from hubs or run code that isn't theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

from daulat.api.packaged import load

OF_ENGINES = " of an engine"
"""What follows an option's kind where it counts in command lines of engines alone, since other programs have one of its name."""


@dataclass(frozen=True)
class KnownOptions:
    """Options by what they do."""

    kinds: Mapping[str, str]
    """The kind of each option: hub, code or debugging, and where it counts."""
    files: tuple[str, ...]
    """Options that name a file with code, or a file that can name code."""


@cache
def known_options() -> KnownOptions:
    """Return the options that are known."""
    data = load((resources.files(__package__) / "engine_options.yaml").read_text())
    kinds = {"hub": data["hubs"], "code": data["remoteCode"], "debugging": data["debugging"]}
    found = {o: kind for kind, listed in kinds.items() for o in listed["long"]}
    found |= {o: kind + OF_ENGINES for kind, listed in kinds.items() for o in listed["short"]}
    return KnownOptions(MappingProxyType(found), tuple(data["files"]))
