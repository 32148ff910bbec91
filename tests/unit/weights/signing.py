"""Keys and certificates of a test's own, and weights signed with them."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from model_signing import signing

FILES = {"config.json": b'{"hidden_size": 8}', "a/model.safetensors": b"weights" * 1000}


def folder(path: Path) -> Path:
    """Write weights into a folder."""
    for name, content in FILES.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


@dataclass(frozen=True)
class Key:
    """A key pair, with its public part as PEM."""

    private: Path
    public: str

    @classmethod
    def new(cls, where: Path, name: str = "key") -> Key:
        """Make a key and write its private part into the folder."""
        pair = ec.generate_private_key(ec.SECP256R1())
        (where / f"{name}.pem").write_bytes(_pem(pair))
        public = pair.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return cls(where / f"{name}.pem", public.decode())

    def sign(self, weights: Path, to: str = "model.sig") -> None:
        """Sign the folder as it is."""
        signing.Config().use_elliptic_key_signer(private_key=self.private).sign(weights, weights / to)


def certified(where: Path, weights: Path) -> str:
    """Sign the folder with a certificate, and return the authority's as PEM."""
    authority, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _certificate("authority", authority, "authority", authority, ca=True)
    own = _certificate("signer", leaf, "authority", authority, ca=False)
    (where / "leaf.pem").write_bytes(_pem(leaf))
    for name, certificate in (("own.crt", own), ("root.crt", root)):
        (where / name).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    signing.Config().use_certificate_signer(
        private_key=where / "leaf.pem", signing_certificate=where / "own.crt", certificate_chain=[where / "root.crt"]
    ).sign(weights, weights / "model.sig")
    return (where / "root.crt").read_text()


def server_certificate(where: Path) -> tuple[Path, Path, Path]:
    """Write a private authority's certificate, and one for 127.0.0.1 with its key. Return authority, certificate and key."""
    authority, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _certificate("private authority", authority, "private authority", authority, ca=True, serves=True)
    own = _certificate("127.0.0.1", leaf, "private authority", authority, ca=False, serves=True)
    files = where / "ca.crt", where / "server.crt", where / "server.key"
    for file, content in zip(
        files,
        (root.public_bytes(serialization.Encoding.PEM), own.public_bytes(serialization.Encoding.PEM), _pem(leaf)),
        strict=True,
    ):
        file.write_bytes(content)
    return files


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    by: ec.EllipticCurvePrivateKey,
    *,
    ca: bool,
    serves: bool = False,
) -> x509.Certificate:
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if serves else ExtendedKeyUsageOID.CODE_SIGNING
    builder = x509.CertificateBuilder()
    if serves and not ca:
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(name))])
        builder = builder.add_extension(address, critical=False)
    if by is not key:
        issued = x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key())
        builder = builder.add_extension(issued, critical=False)
    return (
        builder.subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(by, hashes.SHA256())
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
