"""Label selectors as sets of labels: whether one is part of another, and an example of what is left over.

A selector is a conjunction of conditions on single keys, so it is a product of sets, one a key: the values that the key may
have, and whether it may be absent. That makes containment decidable. ``ANY_OTHER`` stands for the values that no selector names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from math import prod

from daulat.api.meta import LabelSelector

Atom = str | None
"""A value of a label, or None where the key is absent."""
ANY_OTHER = "any-other"
_MOST = 20_000
"""Combinations of labels that are tried at most: some milliseconds for each thousand."""
_ALWAYS = "kubernetes.io/metadata.name"
"""A key that every namespace has."""


class Undecided(Exception):
    """There are too many combinations to try."""


def atoms(selectors: Iterable[LabelSelector], key: str) -> list[Atom]:
    """Return what the selectors tell apart of a key: each value that one names, another value, and absent."""
    named: set[str] = set()
    for selector in selectors:
        named |= {v for k, v in (selector.match_labels or {}).items() if k == key}
        named |= {v for e in selector.match_expressions or () if e.key == key for v in e.values or ()}
    other = ANY_OTHER
    while other in named:
        other += "-"
    return [*sorted(named), other, *([] if key == _ALWAYS else [None])]


def left_over(whole: LabelSelector, parts: Sequence[LabelSelector]) -> dict[str, str] | None:
    """Return labels that the whole selects and none of the parts does; None where the parts cover it. Raises Undecided."""
    return _example([whole], parts, lambda labels: not any(p.matches(labels) for p in parts))


def shared(*selectors: LabelSelector) -> dict[str, str] | None:
    """Return labels that all selectors select; None where nothing can be. Raises Undecided."""
    return _example(selectors, (), lambda _: True)


def _example(
    all_of: Sequence[LabelSelector], others: Sequence[LabelSelector], wanted: Callable[[dict[str, str]], bool]
) -> dict[str, str] | None:
    every = [*all_of, *others]
    keys = sorted(frozenset[str]().union(*(s.label_keys() for s in every)))
    choices = [[a for a in atoms(every, key) if all(_takes(s, key, a) for s in all_of)] for key in keys]
    if prod(map(len, choices)) > _MOST:
        raise Undecided
    for combination in product(*choices):
        labels = {k: v for k, v in zip(keys, combination, strict=True) if v is not None}
        if wanted(labels):
            return labels
    return None


def _takes(selector: LabelSelector, key: str, atom: Atom) -> bool:
    """Say whether the selector's conditions on this key hold for the value."""
    labels = {k: v for k, v in (selector.match_labels or {}).items() if k == key}
    own = tuple(e for e in selector.match_expressions or () if e.key == key)
    only = selector.model_copy(update={"match_labels": labels, "match_expressions": own})
    return only.matches({} if atom is None else {key: atom})


def text(selector: LabelSelector) -> str:
    """Return the selector as kubectl's option -l writes it."""
    parts = [f"{k}={v}" for k, v in sorted((selector.match_labels or {}).items())]
    for e in selector.match_expressions or ():
        values = f"({', '.join(e.values or ())})"
        parts.append(
            {
                "In": f"{e.key} in {values}",
                "NotIn": f"{e.key} notin {values}",
                "Exists": e.key,
                "DoesNotExist": f"!{e.key}",
            }[e.operator]
        )
    return ",".join(parts) or "everything"


def labels_text(labels: Mapping[str, str]) -> str:
    """Return labels as an example of what a selector selects."""
    return ",".join(f"{k}={v}" for k, v in sorted(labels.items())) or "no labels"
