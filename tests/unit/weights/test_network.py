"""Weights come through a proxy, and from servers that a private authority vouches for."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from dev.deployment import ROOT

from .servers import Site, serving
from .signing import FILES, server_certificate

LOAD = """
import sys
from pathlib import Path
from daulat.cli.weights import carry_out
from daulat.cli.weights.command import weights
carry_out.AUTHORITY, carry_out.TERMINATION_LOG = Path(sys.argv[1]), Path(sys.argv[2])
weights(["load"])
"""


def site() -> Site:
    found = Site(s3={"models": {f"r1/{n}": c for n, c in FILES.items()}}, hf={"o/n": FILES}, ms={"o/n": FILES})
    found.artifact("models/r1", FILES, tag="v1")
    return found


def load(uri: str, endpoint: str, where: Path, authority: Path, **env: str) -> str:
    """Load as an init container does, in a process of its own, and return what it says in the end; empty where all is well."""
    target, last_words = where / "models", where / "termination-log"
    target.mkdir()
    last_words.touch()
    settings = {"WEIGHTS_URI": uri, "WEIGHTS_ENDPOINT": endpoint, "WEIGHTS_TARGET": str(target), "HOME": str(where)}
    plain = {k: v for k, v in os.environ.items() if not k.upper().endswith("_PROXY") and k != "SSL_CERT_FILE"}
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(authority), str(last_words)],
        env={**plain, **settings, "PYTHONPATH": str(ROOT / "src"), **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode == 0) == (last_words.read_text() == ""), done.stderr
    if not done.returncode:
        assert len([f for f in target.rglob("*") if f.is_file() and ".lock" not in f.name]) == len(FILES)
    return last_words.read_text()


URIS = ["s3://models/r1", "hf://o/n:main", "ms://o/n", "oci://{host}/models/r1:v1"]


@pytest.mark.parametrize("uri", URIS)
def test_a_private_authority_is_trusted_where_it_is_given(uri: str, tmp_path: Path) -> None:
    authority, certificate, key = server_certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with serving(site(), tls) as served:
        assert load(uri.format(host=served.host), served.url, tmp_path, authority) == ""


@pytest.mark.parametrize("uri", ["hf://o/n:main", "oci://{host}/models/r1:v1"])
def test_without_it_the_server_isnt_trusted(uri: str, tmp_path: Path) -> None:
    _, certificate, key = server_certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with serving(site(), tls) as served:
        told = load(uri.format(host=served.host), served.url, tmp_path, tmp_path / "none")
        assert told.startswith("FetchFailed: ")
        assert served.asked == []


@pytest.mark.parametrize("uri", URIS[:3])
def test_a_proxy_is_gone_through(uri: str, tmp_path: Path) -> None:
    with serving(site()) as proxy:
        told = load(
            uri, "http://weights.invalid", tmp_path, tmp_path / "none", HTTP_PROXY=proxy.url, HTTPS_PROXY=proxy.url
        )
        assert told == ""
        assert all(path.startswith("http://weights.invalid") for path in proxy.asked)
