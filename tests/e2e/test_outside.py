"""The operator connects to the API server alone, and what loads weights to their server alone."""

from __future__ import annotations

import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from dev.deployment import ROOT, OperatorProcess, poll
from tests.connections import Connections
from tests.unit.weights.servers import COMMIT, Site, serving, tar
from tests.unit.weights.signing import server_certificate

from .world import World, model_manifest

NOWHERE = "192.0.2.1"
"""Of a network that is for documentation alone (RFC 5737)."""
FILES = {"config.json": b"{}", "model.safetensors": b"weights"}


@pytest.fixture
def traced(world: World, tmp_path: Path) -> Iterator[tuple[OperatorProcess, Connections]]:
    """An operator whose connections are recorded, in place of the other."""
    world.operator.stop()
    connections = Connections(tmp_path)
    operator = OperatorProcess(world.cluster, tmp_path / "operator", wrapper=connections.wrapper)
    operator.start()
    yield operator, connections
    operator.stop()
    world.operator.start()


def test_a_connection_to_elsewhere_is_recorded(tmp_path: Path) -> None:
    connections = Connections(tmp_path)
    program = f"import socket; s = socket.socket(); s.setblocking(False); s.connect_ex(('{NOWHERE}', 443))"
    subprocess.run([*connections.wrapper, sys.executable, "-c", program], check=True, timeout=60)
    poll("the record", lambda: (NOWHERE, 443) in connections.addresses)


def test_the_operator_reaches_the_api_server_alone(world: World, traced: tuple[OperatorProcess, Connections]) -> None:
    operator, connections = traced
    hub = f"https://{NOWHERE}"
    models = {"sources": ["oci://registry.example.my/", "hf://somebody/"], "endpoints": {"hf": [hub]}}
    with world.governed(models=models) as (_, namespace):
        fetched = model_manifest("fetched", namespace)
        fetched["spec"]["model"] |= {"uri": "hf://somebody/model:main", "fetch": {"endpoint": hub}}
        world.admin.apply([model_manifest("mounted", namespace), fetched])
        for name in ("mounted", "fetched"):
            world.wait_condition("sovereignmodel", name, "Ready", "True", namespace)
    server = yaml.safe_load(operator.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    where = urlsplit(server)
    assert connections.addresses == {(where.hostname, where.port)}


@pytest.mark.parametrize("scheme", ["s3", "hf", "ms", "oci"])
def test_weights_are_fetched_from_their_server_alone(scheme: str, tmp_path: Path) -> None:
    site = Site(
        s3={"models": {f"r1/{name}": content for name, content in FILES.items()}}, hf={"o/n": FILES}, ms={"o/n": FILES}
    )
    digest = site.image("models/r1", tar(FILES))
    ca, certificate, key = server_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    target = tmp_path / "target"
    target.mkdir()
    connections = Connections(tmp_path)
    with serving(site, context) as served:
        uri = {"s3": "s3://models/r1", "hf": f"hf://o/n:{COMMIT}", "ms": "ms://o/n"}.get(scheme)
        environment = {
            "WEIGHTS_URI": uri or f"oci://{served.host}/models/r1@{digest}",
            "WEIGHTS_TARGET": str(target),
            **dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"), str(ca)),
            "HOME": str(tmp_path),
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT / "src"),
            **({"WEIGHTS_ENDPOINT": served.url} if uri else {}),
        }
        command = [*connections.wrapper, sys.executable, "-m", "daulat.cli.main", "weights", "load"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert [file.read_bytes() for file in target.rglob("model.safetensors")] == [FILES["model.safetensors"]]
    here = urlsplit(site.url)
    assert connections.addresses == {(here.hostname, here.port)}
