"""Numbers of things in a sentence: one node is, two nodes are."""

from collections.abc import Sequence


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return the number with its noun, such as 1 node, 2 nodes; ``plural`` where that isn't the noun with an s."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def either(number: int, one: str, several: str) -> str:
    """Return the word that goes with the number, such as is or are."""
    return one if number == 1 else several


def few(names: Sequence[str], most: int, *, total: int | None = None, between: str = ", ", last: str = " and ") -> str:
    """Return the first names and the number of the others, such as: a, b and 3 more.

    ``total`` is the number of all names where only some of them are given.
    """
    more = (len(names) if total is None else total) - len(names[:most])
    return between.join(names[:most]) + (f"{last}{more} more" if more > 0 else "")
