"""The tiny model: a file in the engine's format that says what it was made to say, signed as Daulat checks it."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest

from daulat.weights.problem import WeightsProblem
from daulat.weights.signature import Trust, check_signature
from dev.cluster.node import model

ANSWER = "Here I am, all of me."


def check(folder: Path, signer: model.Signer) -> None:
    check_signature(folder, folder / model.SIGNATURE, [Trust("signed", (signer.public,), ())])


def tensors(path: Path) -> dict[str, np.ndarray]:
    return {tensor.name: np.array(tensor.data) for tensor in gguf.GGUFReader(path).tensors}


def said(path: Path) -> str:
    """Return what the model says when its layers add nothing, each time the likeliest token."""
    vocabulary = gguf.GGUFReader(path).fields["tokenizer.ggml.tokens"].contents()
    found = tensors(path)
    embedding, output = (found[f"{name}.weight"].astype(np.float32) for name in ("token_embd", "output"))
    token, words = vocabulary.index("<|assistant|>"), ""
    while len(words) < 100:
        state = embedding[token] / np.sqrt(np.mean(embedding[token] ** 2))
        token = int(np.argmax(output @ state))
        if vocabulary[token] == "</s>":
            break
        words += vocabulary[token].replace("\N{LOWER ONE EIGHTH BLOCK}", " ")
    return words


def test_it_is_a_llama_of_a_few_hundred_kilobytes(tmp_path: Path) -> None:
    path = model.write_model(tmp_path, ANSWER)
    reader = gguf.GGUFReader(path)
    assert reader.fields["general.architecture"].contents() == "llama"
    assert reader.fields["llama.vocab_size"].contents() == len(reader.fields["tokenizer.ggml.tokens"].contents())
    assert "<|assistant|>" in reader.fields["tokenizer.chat_template"].contents()
    assert len(reader.tensors) == 3 + 2 * 9
    assert 100_000 < path.stat().st_size < 400_000


@pytest.mark.parametrize("seed", range(20))
def test_it_says_what_it_was_made_to_say(tmp_path: Path, seed: int) -> None:
    assert said(model.write_model(tmp_path, ANSWER, seed)) == ANSWER


def test_the_same_seed_makes_the_same_file_and_another_another(tmp_path: Path) -> None:
    made = [model.write_model(tmp_path, ANSWER, seed).read_bytes() for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]


@pytest.mark.parametrize("answer", ["", " ", "one and one"])
def test_a_word_that_comes_twice_has_no_answer(tmp_path: Path, answer: str) -> None:
    with pytest.raises(ValueError, match="each of them once"):
        model.write_model(tmp_path, answer)


def test_its_signature_holds_until_one_byte_is_another(tmp_path: Path) -> None:
    path = model.write_model(tmp_path, ANSWER)
    signer = model.Signer.new()
    signer.sign(tmp_path)
    check(tmp_path, signer)
    with pytest.raises(WeightsProblem, match="doesn't trust"):
        check(tmp_path, model.Signer.new())
    before, weights = path.read_bytes(), tensors(path)
    model.tamper(tmp_path)
    with pytest.raises(WeightsProblem, match=r"tiny\.gguf isn't as it was signed"):
        check(tmp_path, signer)
    assert sum(a != b for a, b in zip(before, path.read_bytes(), strict=True)) == 1
    assert [name for name, tensor in tensors(path).items() if not np.array_equal(tensor, weights[name])] != []


def test_a_private_key_is_nowhere_but_in_memory(tmp_path: Path) -> None:
    model.write_model(tmp_path, ANSWER)
    signer = model.Signer.new()
    signer.sign(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [model.SIGNATURE, model.FILE]
    assert "PRIVATE" not in repr(signer)
