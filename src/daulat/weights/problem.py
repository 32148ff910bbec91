"""What keeps weights from being used: one word for programs, one sentence for people."""

from __future__ import annotations


class WeightsProblem(Exception):
    """Weights can't be used. ``word`` is one of those in ``daulat.api.weights``."""

    def __init__(self, word: str, sentence: str) -> None:
        super().__init__(f"{word}: {sentence}")
        self.word, self.sentence = word, sentence
