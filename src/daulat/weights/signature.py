"""Checks who signed weights (OpenSSF model signing), offline, against keys and certificates that a policy trusts."""

from __future__ import annotations

import ast
import base64
import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_signing import hashing, verifying

from daulat.api.weights import SIGNATURE_VALIDATION_FAILED

from .digest import walk
from .problem import WeightsProblem

_UNREAD = (".git", ".gitattributes", ".github", ".gitignore")
"""What model-signing leaves out by itself. No engine loads it."""


@dataclass(frozen=True)
class Trust:
    """What one policy trusts: any of these keys, or a certificate from any of these authorities, as PEM."""

    policy: str
    keys: tuple[str, ...]
    certificates: tuple[str, ...]


def read_trust(text: str) -> tuple[Trust, ...]:
    """Read what the operator wrote into the pod. Raises ValueError, KeyError or TypeError where it's something else."""
    entries = json.loads(text)
    if not isinstance(entries, list) or not entries:
        raise ValueError("trust is a list of policies")
    return tuple(Trust(t["policy"], tuple(t["keys"]), tuple(t["certificates"])) for t in entries)


def check_signature(folder: Path, signature: Path, trusted: Sequence[Trust]) -> None:
    """Check that every policy trusts who signed the folder as it is. Raises WeightsProblem, and OSError where it can't be read."""
    # model-signing takes a folder that can't be listed for one without files.
    for _ in walk(folder):
        pass
    if not signature.is_file():
        name = signature.relative_to(folder) if signature.is_relative_to(folder) else signature
        raise WeightsProblem(SIGNATURE_VALIDATION_FAILED, f"there is no signature {name} with the weights")
    for trust in trusted:
        refusals = [why for config in _verifiers(trust) if (why := _refused(config, folder, signature))]
        if len(refusals) == len(trust.keys) + bool(trust.certificates):
            told = "; ".join(dict.fromkeys(refusals))
            raise WeightsProblem(
                SIGNATURE_VALIDATION_FAILED, f"policy {trust.policy} doesn't trust these weights: {told}"
            )
    _refuse_unsigned(folder, signature)


def _verifiers(trust: Trust) -> Iterator[Any]:
    for key in trust.keys:
        with _file(key) as path:
            yield verifying.Config().use_elliptic_key_verifier(public_key=path)
    if trust.certificates:
        with _file("\n".join(trust.certificates)) as path:
            yield verifying.Config().use_certificate_verifier(certificate_chain=[path])


@contextmanager
def _file(text: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trusted.pem"
        path.write_text(text.strip() + "\n")
        yield path


def _refused(config: Any, folder: Path, signature: Path) -> str:
    """Return why, or an empty string where the signature holds."""
    # The signature lies among the files that it is of. What else it leaves out is looked at afterwards.
    config.set_hashing_config(hashing.Config().set_ignored_paths(paths=[signature], ignore_git_paths=True))
    try:
        config.verify(folder, signature)
    except OSError:
        # The volume's fault, not the signer's.
        raise
    except Exception as error:  # noqa: BLE001 - whatever a crafted signature makes the library raise is a refusal
        return _short(error)
    return ""


def _short(error: Exception) -> str:
    told = " ".join(str(error).split()) or type(error).__name__
    told = _in_words(told) or told
    return told if len(told) <= 300 else told[:300] + "..."


def _in_words(told: str) -> str:
    """Return how the files differ from what was signed; empty where the library (model-signing 1.1) says something else.

    It gives a list of sentences, with digests as Python has them.
    """
    head, mismatch, listed = told.partition("Signature mismatch: ")
    try:
        sentences = ast.literal_eval(listed)
    except (ValueError, SyntaxError):
        return ""
    if head or not mismatch or not isinstance(sentences, list):
        return ""
    return "; ".join(_sentence(str(one)) for one in sentences)


def _sentence(told: str) -> str:
    if changed := re.match(r"Hash mismatch for '(.*?)': ", told):
        return f"{changed[1]} isn't as it was signed"
    if found := re.match(r"(Extra files found|Missing files) in model '.*?': (.*)$", told):
        what = "isn't among what was signed" if found[1].startswith("Extra") else "was signed and isn't there"
        return f"{found[2]} {what}"
    return told


def _refuse_unsigned(folder: Path, signature: Path) -> None:
    """Refuse a signature that leaves files out: what it doesn't cover, anybody could have changed."""
    envelope = json.loads(signature.read_text())["dsseEnvelope"]
    payload = json.loads(base64.b64decode(envelope["payload"]))
    try:
        left_out = payload["predicate"]["serialization"].get("ignore_paths") or []
    except KeyError as error:
        # model-signing accepts what it wrote before 1.0, which doesn't say.
        raise WeightsProblem(
            SIGNATURE_VALIDATION_FAILED, f"the signature doesn't say what it leaves out: no {error}"
        ) from error
    own = str(signature.relative_to(folder)) if signature.is_relative_to(folder) else ""
    unread = sorted(path for path in left_out if path not in (own, *_UNREAD) and (folder / path).exists())
    if unread:
        raise WeightsProblem(SIGNATURE_VALIDATION_FAILED, f"the signature leaves {', '.join(unread[:5])} out")
