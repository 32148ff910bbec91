"""Notes, keys and checkpoints are C2SP's, byte for byte: known answers of its documents and of Go's x/mod/sumdb/note."""

from __future__ import annotations

import contextlib
import dataclasses

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
from hypothesis import given
from hypothesis import strategies as st

from daulat.ledger import checkpoint, keys, note
from daulat.ledger.errors import Malformed
from daulat.ledger.keys import KeyType, SignerKey, generate, parse_signer, parse_verifier

from .logs import KEY, NOW, POST_QUANTUM, WITNESSES

C2SP_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
C2SP_NOTE = """This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
"""
GO_SIGNER = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
GO_NOTE = """If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=
"""
C2SP_COSIGNED = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""
SIGNERS = [KEY, WITNESSES[0], POST_QUANTUM]
TEXT = "daulat.example.my/cluster-1\n3\nrra8/idLcKFPsGel5VeCZNsPqbUa9eC6FZFY8yngbnc=\n"


def test_the_note_of_c2sp_is_verified_by_its_key() -> None:
    found, key = note.parse(C2SP_NOTE.encode()), parse_verifier(C2SP_KEY)
    assert key.made(found.signatures[0])
    assert key.verifies(found, found.signatures[0])
    assert not key.verifies(dataclasses.replace(found, text="This is another message.\n"), found.signatures[0])
    assert str(found) == C2SP_NOTE
    assert str(key) == C2SP_KEY


def test_the_note_of_go_is_made_and_verified() -> None:
    found, signer = note.parse(GO_NOTE.encode()), parse_signer(GO_SIGNER)
    assert signer.sign(found.text, NOW) == found.signatures[0]
    assert str(signer.verifier()) == GO_VERIFIER
    assert signer.text() == GO_SIGNER
    for vkey, signature in zip((GO_VERIFIER, GO_ENOCH), found.signatures, strict=True):
        assert parse_verifier(vkey).verifies(found, signature)
    assert not parse_verifier(GO_ENOCH).made(found.signatures[0])


def test_the_cosigned_checkpoint_of_c2sp_is_read() -> None:
    found = note.parse(C2SP_COSIGNED.encode())
    head = checkpoint.parse(found.text)
    assert (head.origin, head.size, head.text) == ("example.com/behind-the-sofa", 20852163, found.text)
    witness = keys.VerifierKey("witness.example.com/w1", KeyType.COSIGNATURE, b"\0" * 32)
    assert witness.time(found.signatures[1]) == 1679315147
    assert str(found) == C2SP_COSIGNED


def test_what_witnesses_sign_is_the_message_of_c2sp() -> None:
    text = note.parse(C2SP_COSIGNED.encode()).text
    signed = WITNESSES[0].sign(text, 1679315147)
    assert signed.signature[:8] == bytes.fromhex("00000000641850cb")
    plain = SignerKey("x", KeyType.ED25519, b"\x10" * 32)
    message = f"cosignature/v1\ntime 1679315147\n{text}"
    assert plain.sign(message, 0).signature == signed.signature[8:]


def test_what_ml_dsa_signs_is_the_struct_of_c2sp() -> None:
    signed = POST_QUANTUM.sign(TEXT, NOW)
    origin = b"daulat.example.my/cluster-1"
    root = bytes.fromhex("aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77")
    message = b"subtree/v1\n\x00\x1b" + origin + NOW.to_bytes(8, "big") + b"\x1b" + origin
    message += (0).to_bytes(8, "big") + (3).to_bytes(8, "big") + root
    MLDSA44PublicKey.from_public_bytes(POST_QUANTUM.verifier().public).verify(signed.signature[8:], message)
    assert len(signed.signature) == 8 + 2420


@pytest.mark.parametrize("signer", SIGNERS, ids=lambda s: s.type.name)
def test_a_key_verifies_its_own_signature_of_this_text_alone(signer: SignerKey) -> None:
    verifier, signature = signer.verifier(), signer.sign(TEXT, NOW)
    signed = note.Note(TEXT, (signature,))
    assert verifier.made(signature)
    assert verifier.verifies(note.parse(bytes(signed)), signature)
    assert verifier.time(signature) == (None if signer.type is KeyType.ED25519 else NOW)
    assert not verifier.verifies(note.Note(TEXT.replace("\n3\n", "\n4\n"), ()), signature)
    for at in (0, 7, -1):
        changed = bytearray(signature.signature)
        changed[at] ^= 1
        assert not verifier.verifies(signed, dataclasses.replace(signature, signature=bytes(changed)))
    assert not verifier.verifies(signed, dataclasses.replace(signature, signature=b"\0" * 5))


@pytest.mark.parametrize("signer", SIGNERS, ids=lambda s: s.type.name)
def test_keys_are_read_as_they_are_written(signer: SignerKey) -> None:
    assert parse_signer(signer.text()) == signer
    assert parse_verifier(str(signer.verifier())) == signer.verifier()
    assert signer.text().rpartition("+")[2] not in repr(signer)


@pytest.mark.parametrize("key_type", KeyType)
def test_generated_keys_differ(key_type: KeyType) -> None:
    assert generate("a", key_type) != generate("a", key_type)


@pytest.mark.parametrize(("text", "read"), [(GO_VERIFIER, parse_verifier), (GO_SIGNER, parse_signer)])
def test_no_mangled_key_is_read(text: str, read: object) -> None:
    assert callable(read)
    for start in range(len(text)):
        for end in range(start + 1, len(text) + 1):
            if (start, end) != (0, len(text)):
                with pytest.raises(Malformed):
                    read(text[start:end])
    for at in range(len(text)):
        with pytest.raises(Malformed):
            read(text[:at] + chr(ord(text[at]) + 1) + text[at + 1 :])


@pytest.mark.parametrize(
    "text",
    [
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_keys_of_another_length_or_type_arent_read(text: str) -> None:
    with pytest.raises(Malformed):
        parse_verifier(text)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text\n",
        b"text\n\n",
        C2SP_NOTE.encode()[:-1],
        C2SP_NOTE.encode() + b"\n",
        C2SP_NOTE.replace("\u2014", "-").encode(),
        C2SP_NOTE.replace("foo U", "foo  U").encode(),
        C2SP_NOTE.replace("foo", "f+o").encode(),
        C2SP_NOTE.replace("foo", "f\u00a0o").encode(),
        C2SP_NOTE.replace("\n", "\r\n").encode(),
        C2SP_NOTE.replace("message", "\tmessage").encode(),
        C2SP_NOTE.replace("IneyaQM=", "IneyaQN=").encode(),
        C2SP_NOTE.encode().replace(b"example message", b"example \xff"),
        "text\n\n\u2014 a AAAAAA==\n".encode(),
        ("text\n\n" + "\u2014 a AAAAAAA=\n" * 101).encode(),
        b"a" * 1_000_001,
    ],
)
def test_what_isnt_a_note_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        note.parse(data)


def test_a_text_may_have_empty_lines() -> None:
    found = note.parse("a\n\nb\n\n\u2014 a AAAAAAA=\n".encode())
    assert found.text == "a\n\nb\n"


@pytest.mark.parametrize(
    "text",
    [
        "a\n1\n",
        "a\n1\nAAAA\n",
        TEXT[:-1],
        TEXT + "\n",
        "\n" + TEXT.partition("\n")[2],
        *(
            TEXT.replace("\n3\n", f"\n{size}\n")
            for size in ("03", "+3", "-1", "3 ", "\u0663", "", str(1 << 63), "1" * 30)
        ),
        TEXT.replace("bnc=", "bnd="),
    ],
)
def test_what_isnt_a_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        checkpoint.parse(text)


def test_extension_lines_are_kept() -> None:
    assert checkpoint.parse(TEXT + "x\ny\n").extensions == ("x", "y")
    assert checkpoint.parse(TEXT + "x\ny\n").text == TEXT + "x\ny\n"


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u2003b", "a\x07"])
def test_keys_have_no_such_name(name: str) -> None:
    with pytest.raises(Malformed):
        generate(name, KeyType.ED25519)


def test_what_signs_checkpoints_alone_signs_no_other_text() -> None:
    for signer in (WITNESSES[0], POST_QUANTUM):
        with pytest.raises(Malformed):
            signer.sign("no checkpoint\n", NOW)
        with pytest.raises(Malformed):
            signer.sign(TEXT, 1 << 63)
    long = SignerKey("a" * 256, KeyType.ML_DSA_44, b"\2" * 32)
    with pytest.raises(Malformed):
        long.sign(TEXT, NOW)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_note_or_are_refused(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        assert bytes(note.parse(data)) == data
