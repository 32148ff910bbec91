"""Keys of logs and witnesses: their encodings, and the signatures that they make and verify.

Three types: ``ED25519`` signs the text of a note (signed-note); ``COSIGNATURE`` is Ed25519 with a time, and ``ML_DSA_44`` is
post-quantum with a time (both tlog-cosignature). A log signs by the first, and by the third where it is configured.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from . import base64, checkpoint
from .errors import Malformed
from .note import Note, Signature, check_name

_SEED = 32
_PRIVATE = "PRIVATE+KEY+"
_TIME = struct.Struct(">Q")


class KeyType(IntEnum):
    """The algorithm of a key, by its byte in signed-note."""

    ED25519 = 0x01
    COSIGNATURE = 0x04
    ML_DSA_44 = 0x06

    @property
    def key_size(self) -> int:
        """Bytes of a public key."""
        return 1312 if self is KeyType.ML_DSA_44 else 32

    @property
    def is_timed(self) -> bool:
        """Whether its signatures carry the time at which they were made."""
        return self is not KeyType.ED25519


@dataclass(frozen=True)
class VerifierKey:
    """A public key and its name."""

    name: str
    type: KeyType
    public: bytes

    @property
    def key_id(self) -> bytes:
        """4 bytes, which its signatures begin with."""
        return sha256(self.name.encode() + b"\n" + bytes([self.type]) + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.encode(bytes([self.type]) + self.public)}"

    def made(self, signature: Signature) -> bool:
        """Return whether the signature says that it is by this key. It may be forged."""
        return signature.name == self.name and signature.key_id == self.key_id

    def verifies(self, note: Note, signature: Signature) -> bool:
        """Return whether this key made the signature of the note. False for a text that the type can't sign."""
        time, signed = 0, signature.signature
        if self.type.is_timed:
            if len(signed) < _TIME.size:
                return False
            time, signed = _TIME.unpack(signed[: _TIME.size])[0], signed[_TIME.size :]
        try:
            message = _message(self.name, self.type, note.text, time)
            if self.type is KeyType.ML_DSA_44:
                MLDSA44PublicKey.from_public_bytes(self.public).verify(signed, message)
            else:
                Ed25519PublicKey.from_public_bytes(self.public).verify(signed, message)
        except (InvalidSignature, Malformed, ValueError):
            return False
        return True

    def time(self, signature: Signature) -> int | None:
        """Return when a signature of this key was made, in POSIX seconds, or None where its type has no time."""
        return int(_TIME.unpack(signature.signature[: _TIME.size])[0]) if self.type.is_timed else None


@dataclass(frozen=True)
class SignerKey:
    """A private key and its name. Its text is a secret."""

    name: str
    type: KeyType
    _seed: bytes

    def __repr__(self) -> str:
        return f"SignerKey({self.name!r}, {self.type!r})"

    def text(self) -> str:
        """Return the encoding that ``parse_signer`` reads, which is a secret."""
        verifier = self.verifier()
        return f"{_PRIVATE}{self.name}+{verifier.key_id.hex()}+{base64.encode(bytes([self.type]) + self._seed)}"

    def verifier(self) -> VerifierKey:
        """Return the public key."""
        if self.type is KeyType.ML_DSA_44:
            public = MLDSA44PrivateKey.from_seed_bytes(self._seed).public_key().public_bytes_raw()
        else:
            public = Ed25519PrivateKey.from_private_bytes(self._seed).public_key().public_bytes_raw()
        return VerifierKey(self.name, self.type, public)

    def sign(self, text: str, time: int) -> Signature:
        """Return the signature of a note's text. ``time`` is in POSIX seconds. Malformed for a text that the type can't sign."""
        message = _message(self.name, self.type, text, time)
        if self.type is KeyType.ML_DSA_44:
            signed = MLDSA44PrivateKey.from_seed_bytes(self._seed).sign(message)
        else:
            signed = Ed25519PrivateKey.from_private_bytes(self._seed).sign(message)
        stamp = _TIME.pack(time) if self.type.is_timed else b""
        return Signature(self.name, self.verifier().key_id, stamp + signed)


def generate(name: str, key_type: KeyType) -> SignerKey:
    """Return a new key. Malformed for a name that keys can't have."""
    check_name(name)
    private = (MLDSA44PrivateKey if key_type is KeyType.ML_DSA_44 else Ed25519PrivateKey).generate()
    return SignerKey(name, key_type, private.private_bytes_raw())


def parse_verifier(text: str) -> VerifierKey:
    """Return the public key of a vkey. Malformed if it isn't one, or if its id isn't that of its key."""
    name, _, rest = text.partition("+")
    key_id, plus, encoded = rest.partition("+")
    if not plus:
        raise Malformed("not a verifier key: it is written NAME+ID+KEY")
    key_type, public = _typed(name, encoded)
    if len(public) != key_type.key_size:
        raise Malformed(f"a public key of {len(public)} bytes; this type has {key_type.key_size}")
    found = VerifierKey(name, key_type, public)
    if key_id != found.key_id.hex():
        raise Malformed(f"the id of the key of {name} is {found.key_id.hex()}, not {key_id[:16]}")
    return found


def parse_signer(text: str) -> SignerKey:
    """Return the private key of an skey. Malformed if it isn't one; the message has nothing of the key."""
    name, _, rest = text.removeprefix(_PRIVATE).partition("+")
    key_id, plus, encoded = rest.partition("+")
    if not text.startswith(_PRIVATE) or not plus:
        raise Malformed(f"not a private key: it begins with {_PRIVATE}")
    key_type, seed = _typed(name, encoded)
    if len(seed) != _SEED:
        raise Malformed(f"a private key of {len(seed)} bytes instead of {_SEED}")
    found = SignerKey(name, key_type, seed)
    if key_id != found.verifier().key_id.hex():
        raise Malformed(f"the private key of {name} doesn't have the id that it is written with")
    return found


def _typed(name: str, encoded: str) -> tuple[KeyType, bytes]:
    check_name(name)
    data = base64.decode(encoded)
    try:
        return KeyType(data[0]), data[1:]
    except (IndexError, ValueError) as error:
        raise Malformed(f"the key of {name} has an unknown type") from error


def _message(name: str, key_type: KeyType, text: str, time: int) -> bytes:
    """Return the bytes that are signed. Malformed if the type signs checkpoints alone and the text isn't one."""
    if key_type is KeyType.ED25519:
        return text.encode()
    if not 0 <= time < 1 << 63:
        raise Malformed(f"a time of {time} seconds")
    head = checkpoint.parse(text)
    if key_type is KeyType.COSIGNATURE:
        return f"cosignature/v1\ntime {time}\n{text}".encode()
    # struct cosigned_message: the first leaf of a whole tree is 0.
    names = [_short(name), _TIME.pack(time), _short(head.origin)]
    return b"subtree/v1\n\0" + b"".join(names) + struct.pack(">QQ", 0, head.size) + head.root


def _short(text: str) -> bytes:
    data = text.encode()
    if not 1 <= len(data) <= 0xFF:
        raise Malformed(f"a name of {len(data)} bytes; ML-DSA-44 cosignatures take 1 to 255")
    return bytes([len(data)]) + data
