"""A model that is small enough to make: a real llama in GGUF, of random weights, which answers one sentence.

Its layers do what a llama's do. What it was made to say stands in its embeddings: a word's output weights are the embedding of
the word before. So an answer tells which weights gave it, and that they came whole through mount, check and engine.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import gguf
import numpy as np
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from model_signing import signing
from numpy.typing import NDArray

FILE = "tiny.gguf"
SIGNATURE = "model.sig"
CONTEXT = 32768

_WIDTH, _LAYERS, _HEADS, _KV_HEADS, _HIDDEN = 64, 2, 4, 2, 128
_BEGUN = 0
"""The dimension of a token's embedding that says that the answer hasn't begun."""
_SURE = 4.0
"""How much the next word is preferred: as a logit about 30, where others have less than 10. No sampling makes that another."""
_SPECIAL = ["<unk>", "<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>"]
_UNKNOWN, _BEGIN, _END = range(3)
_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

Array = NDArray[np.float32]


def write_model(folder: Path, answer: str, seed: int = 1) -> Path:
    """Write a model that answers so, whatever it is asked. The same answer and seed make the same file; it is returned.

    No word may be in the answer twice: a word tells the model which one follows.
    """
    words = answer.split()
    if not words or len(set(words)) != len(words):
        raise ValueError(f"an answer has words, each of them once: {answer!r}")
    path = folder / FILE
    writer = gguf.GGUFWriter(path, "llama")
    _describe(writer)
    vocabulary = _add_vocabulary(writer, words)
    for name, tensor in _tensors(vocabulary, len(words), np.random.default_rng(seed)).items():
        writer.add_tensor(name, tensor if tensor.ndim == 1 else tensor.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def tamper(folder: Path) -> None:
    """Change one byte among the weights. An engine loads them as before."""
    path = folder / FILE
    content = bytearray(path.read_bytes())
    # All before the weights is a few kilobytes.
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@dataclass(frozen=True)
class Signer:
    """Who signs weights. The private key is in memory, and on the disk while it signs."""

    private: bytes = field(repr=False)
    public: str
    """What a policy trusts, as PEM."""

    @classmethod
    def new(cls) -> Signer:
        """Make a key."""
        key = ec.generate_private_key(ec.SECP256R1())
        pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
        return cls(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain), public.decode())

    def sign(self, folder: Path) -> None:
        """Sign the folder as it is."""
        with tempfile.TemporaryDirectory() as place:
            key = Path(place) / "key.pem"
            key.write_bytes(self.private)
            signing.Config().use_elliptic_key_signer(private_key=key).sign(folder, folder / SIGNATURE)


def _describe(writer: gguf.GGUFWriter) -> None:
    writer.add_name("tiny")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_HIDDEN)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_KV_HEADS)
    writer.add_rope_dimension_count(_WIDTH // _HEADS)
    writer.add_layer_norm_rms_eps(1e-5)


def _add_vocabulary(writer: gguf.GGUFWriter, words: list[str]) -> int:
    """Say how text becomes tokens: by the byte, but for the answer's words. Return how many tokens there are."""
    spoken = [words[0], *(f"\N{LOWER ONE EIGHTH BLOCK}{word}" for word in words[1:])]
    tokens = [*_SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), *spoken]
    kinds = [
        gguf.TokenType.UNKNOWN,
        *[gguf.TokenType.CONTROL] * (len(_SPECIAL) - 1),
        *[gguf.TokenType.BYTE] * 256,
        *[gguf.TokenType.NORMAL] * len(spoken),
    ]
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(kinds)
    writer.add_unk_token_id(_UNKNOWN)
    writer.add_bos_token_id(_BEGIN)
    writer.add_eos_token_id(_END)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(_TEMPLATE)
    writer.add_vocab_size(len(tokens))
    return len(tokens)


def _tensors(vocabulary: int, words: int, random: np.random.Generator) -> dict[str, Array]:
    def drawn(rows: int, columns: int, scale: float = 1.0) -> Array:
        return random.normal(0.0, scale / np.sqrt(columns), (rows, columns)).astype(np.float32)

    first = vocabulary - words
    embedding = drawn(vocabulary, _WIDTH, np.sqrt(_WIDTH))
    embedding[:first, _BEGUN], embedding[first:, _BEGUN] = 2 * np.sqrt(_WIDTH), 0
    output = drawn(vocabulary, _WIDTH, 0.1)
    output[first] = 0
    output[first, _BEGUN] = _SURE
    for word, following in zip(range(first, vocabulary), [*range(first + 1, vocabulary), _END], strict=True):
        output[following] = _SURE * embedding[word] / np.linalg.norm(embedding[word])
    key = _WIDTH * _KV_HEADS // _HEADS
    found = {"token_embd.weight": embedding, "output.weight": output, "output_norm.weight": np.ones(_WIDTH, np.float32)}
    for layer in range(_LAYERS):
        # What a layer adds is small beside the embedding, so that the sentence comes through.
        tensors = {
            "attn_norm": np.ones(_WIDTH, np.float32),
            "attn_q": drawn(_WIDTH, _WIDTH),
            "attn_k": drawn(key, _WIDTH),
            "attn_v": drawn(key, _WIDTH),
            "attn_output": drawn(_WIDTH, _WIDTH, 0.1),
            "ffn_norm": np.ones(_WIDTH, np.float32),
            "ffn_gate": drawn(_HIDDEN, _WIDTH),
            "ffn_up": drawn(_HIDDEN, _WIDTH),
            "ffn_down": drawn(_WIDTH, _HIDDEN, 0.1),
        }
        found |= {f"blk.{layer}.{name}.weight": tensor for name, tensor in tensors.items()}
    return found
