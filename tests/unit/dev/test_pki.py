"""Certificates that verify, and files that others can't read."""

from __future__ import annotations

import datetime as dt
import stat
from ipaddress import ip_address
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from dev.cluster import identity, kubeconfig
from dev.cluster.pki import Authority, write_private


def certificate(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


def test_a_server_certificate_verifies_for_its_names_only() -> None:
    authority = Authority.create("ca")
    store = Store([certificate(authority.pair.certificate)])
    server = certificate(authority.server("api", ["localhost", "127.0.0.1"]).certificate)
    policy = PolicyBuilder().store(store).time(dt.datetime.now(dt.UTC))
    for name in (x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))):
        assert len(policy.build_server_verifier(name).verify(server, [])) == 2
    with pytest.raises(VerificationError):
        policy.build_server_verifier(x509.DNSName("example.com")).verify(server, [])


def test_a_client_certificate_is_signed_by_its_authority_alone() -> None:
    authority, other = Authority.create("ca"), Authority.create("ca")
    client = certificate(authority.client("alice", ["devs"]).certificate)
    client.verify_directly_issued_by(certificate(authority.pair.certificate))
    with pytest.raises(InvalidSignature):
        client.verify_directly_issued_by(certificate(other.pair.certificate))


def test_a_user_and_its_groups_are_the_subject() -> None:
    client = certificate(Authority.create("ca").client("system:node:gpu-1", ["system:nodes", "more"]).certificate)
    assert [a.value for a in client.subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["system:node:gpu-1"]
    organizations = client.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert {a.value for a in organizations} == {"system:nodes", "more"}


def test_a_stored_authority_signs_as_before(tmp_path: Path) -> None:
    authority = Authority.create("ca")
    authority.pair.write(tmp_path, "ca")
    client = certificate(Authority.load(tmp_path, "ca").client("alice").certificate)
    client.verify_directly_issued_by(certificate(authority.pair.certificate))


def test_keys_and_kubeconfigs_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    pki = tmp_path / "pki"
    identity.create(pki)
    identity.write_kubeconfig(tmp_path / "kubeconfigs" / "admin.yaml", pki, "c", "https://127.0.0.1:1", "admin", ())
    for path in tmp_path.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_file_that_was_readable_by_all_is_so_no_more(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"old")
    path.chmod(0o644)
    write_private(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == b"new"


def test_users_of_the_cluster_have_no_certificate_that_etcd_trusts(tmp_path: Path) -> None:
    identity.create(tmp_path)
    admin = certificate((tmp_path / "admin.crt").read_bytes())
    etcd = certificate((tmp_path / "etcd-ca.crt").read_bytes())
    assert admin.issuer != etcd.subject
    assert (tmp_path / "ca.key").read_bytes() != (tmp_path / "etcd-ca.key").read_bytes()


def test_users_with_similar_names_get_different_files() -> None:
    names = {
        kubeconfig.file_name("a:b", ()),
        kubeconfig.file_name("a-b", ()),
        kubeconfig.file_name("a-b", ["g"]),
        kubeconfig.file_name("admin", ["g"]),
        kubeconfig.file_name("admin", ()),
    }
    assert len(names) == 5
    assert kubeconfig.file_name("u", ["x", "y"]) == kubeconfig.file_name("u", ["y", "x"])


def test_impersonation_keeps_the_credentials_of_the_current_context() -> None:
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "root"}}],
        "clusters": [{"name": "k", "cluster": {"server": "https://example.com"}}],
        "users": [{"name": "root", "user": {"token": "t"}}, {"name": "other", "user": {}}],
    }
    made = yaml.safe_load(kubeconfig.impersonating(config, "alice", ["devs"]))
    assert made["users"] == [{"name": "root", "user": {"token": "t", "as": "alice", "as-groups": ["devs"]}}]
    assert kubeconfig.server(made) == "https://example.com"
