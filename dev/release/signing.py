"""Checksums of a release, and their signature by an SSH key: most machines have OpenSSH, and it needs no network to verify."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from dev.cluster.errors import ClusterError

SUMS, SIGNATURE, SIGNERS = "SHA256SUMS", "SHA256SUMS.sig", "allowed_signers"
IDENTITY, NAMESPACE = "release@daulat.dev", "daulat-release"
"""Whose key it is in a file of allowed signers, and what it signed: a signature for another purpose isn't accepted."""


def write_sums(folder: Path) -> None:
    """Write the checksums of all files in the folder, as ``sha256sum --check`` reads them."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in (SUMS, SIGNATURE, SIGNERS))
    lines = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(folder)}\n" for p in files]
    (folder / SUMS).write_text("".join(lines))


def sign(folder: Path, key: Path) -> None:
    """Sign the checksums, and write the public key beside them. ClusterError where the key can't."""
    if not key.is_file():
        raise ClusterError(f"the release key {key} isn't there: set RELEASE_KEY to a private SSH key, or unset it.")
    (folder / SIGNATURE).unlink(missing_ok=True)
    _openssh("-Y", "sign", "-f", str(key), "-n", NAMESPACE, str(folder / SUMS))
    public = _openssh("-y", "-f", str(key)).split()
    (folder / SIGNERS).write_text(f'{IDENTITY} namespaces="{NAMESPACE}" {" ".join(public[:2])}\n')


def verification(*, signed: bool) -> str:
    """Return the command that verifies a release in the current directory."""
    check = f"sha256sum --check --strict {SUMS}"
    if not signed:
        return check
    return f"ssh-keygen -Y verify -f {SIGNERS} -I {IDENTITY} -n {NAMESPACE} -s {SIGNATURE} < {SUMS} && {check}"


def _openssh(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["ssh-keygen", *arguments], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
    except OSError as error:
        raise ClusterError(
            f"ssh-keygen can't be run ({error.strerror}): install OpenSSH, or unset RELEASE_KEY."
        ) from error
    if done.returncode != 0:
        raise ClusterError(f"ssh-keygen: {done.stderr.strip()}")
    return done.stdout
