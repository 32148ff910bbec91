"""Numbers of things in a sentence: one node is, two nodes are."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return the number with its noun, such as 1 node, 2 nodes; ``plural`` where that isn't the noun with an s."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def either(number: int, one: str, several: str) -> str:
    """Return the word that goes with the number, such as is or are."""
    return one if number == 1 else several
