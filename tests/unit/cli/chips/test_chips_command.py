"""``daulat chips``: from a cluster and from files, with exporters and Prometheus beside, and its exit codes."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from daulat.cli.chips.command import chips
from tests.unit.cli.explain.test_explain import typed
from tests.unit.kube.api_server import FakeApiServer, serving
from tests.unit.recorder.exporters import DCGM, METRICS, NPU
from tests.unit.world import Raw, World, device, inventory, node, offered, zone

PLACE = {"node": "gpu-1", "zone": "cyberjaya-1", "since": "2026-03-14T00:00:00Z", "chips": ["GPU-1"]}


def world(*declared: str, **more: Any) -> World:
    """Return one node that shows GPU-1, of which the operator has remembered where it is."""
    record = {**inventory("h20", *(declared or ("GPU-1",)), **more), "status": {"places": [PLACE]}}
    slices = [offered("gpu-1", device("1"))]
    return World([node("gpu-1")], [zone()], [], [], [], [], slices=slices, inventories=[record])


def objects(world: World) -> list[Raw]:
    return [
        *(typed("SovereignZone", raw) for raw in world.zones),
        *(typed("AcceleratorInventory", raw) for raw in world.inventories),
        *({"apiVersion": "v1", "kind": "Node", **raw} for raw in world.nodes),
        *({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice", **raw} for raw in world.slices),
    ]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "cluster.yaml"
    path.write_text(yaml.safe_dump_all(objects(world())))
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(chips, [str(a) for a in arguments], catch_exceptions=False)


def listed(*arguments: str | Path) -> list[Raw]:
    found = json.loads(run(*arguments, "-o", "json").stdout)
    return list(found["chips"])


def test_it_says_where_a_chip_is_since_when_and_under_which_permit(written: Path) -> None:
    result = run("-f", written)
    assert result.exit_code == 0
    assert result.stdout == (
        "CHIP   STATE  NODE   ZONE         COUNTRY  SINCE                 PERMIT\n"
        "GPU-1  Seen   gpu-1  cyberjaya-1  MY       2026-03-14T00:00:00Z  STA-2026-0417\n"
        "\n"
        "1 chip: 1 Seen\n"
    )


def test_it_reads_a_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server = FakeApiServer()
    server.serve_watched()
    server.add(*objects(world("GPU-1", "GPU-7")))
    with serving(server):
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path)))
        result = run()
    assert result.exit_code == 1
    assert (
        "1 chip doesn't add up:\n  GPU-7 was never seen, and delivery DN-1 was received on 2026-01-01\n"
        in result.stdout
    )
    assert server.listed == {"acceleratorinventories", "sovereignzones", "nodes", "resourceslices"}


def test_a_cluster_of_an_earlier_release_has_no_inventories(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server = FakeApiServer()
    server.serve_watched()
    server.add(*(o for o in objects(world()) if o["kind"] != "AcceleratorInventory"))
    del server.collections["/apis/daulat.dev/v1alpha1/acceleratorinventories"]
    with serving(server):
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path)))
        result = run()
    assert result.exit_code == 0
    assert "GPU-1  Undeclared  gpu-1" in result.stdout


def test_an_exporter_tells_a_chip_by_its_serial_number(tmp_path: Path) -> None:
    """The driver publishes UUIDs, and the list has serial numbers: DCGM knows both."""
    path = tmp_path / "c.yaml"
    here = world("1654324035001")
    here.slices = [
        offered(
            "gpu-1", {"name": "gpu-0", "attributes": {"uuid": {"string": "GPU-5c89852c-d268-7cf4-cb0e-4a5ef5a1b1f4"}}}
        )
    ]
    path.write_text(yaml.safe_dump_all(objects(here)))
    assert [row["state"] for row in listed("-f", path)] == ["Gone", "Undeclared"]
    found = listed("-f", path, "--metrics", METRICS / "dcgm.txt")
    assert [(row["chip"], row["state"], row["source"]) for row in found] == [
        ("1654324035001", "Seen", "dcgm-exporter"),
        ("GPU-0D8F4C6E-19E6-2C55-8C5B-93AE3AC7A0F1", "Undeclared", "dcgm-exporter"),
    ]


def test_what_only_exporters_show_is_compared_once_one_is_read(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    here = world("GPU-1")
    lists = {"a": ["2102314NMU10P7100017"], "b": ["2102314NMU10P7100018"]}
    here.inventories[0]["spec"]["deliveries"] += [
        {"name": name, "received": "2026-01-01", "observedBy": "Exporters", "chips": chips}
        for name, chips in lists.items()
    ]
    path.write_text(yaml.safe_dump_all(objects(here)))
    assert [row["state"] for row in listed("-f", path)] == ["Seen", "Unobserved", "Unobserved"]
    found = listed("-f", path, "--metrics", f"gpu-1={METRICS / 'npu.txt'}")
    assert [row["state"] for row in found][:3] == ["Seen", "Seen", "Gone"]


def test_a_host_outside_the_cluster_is_outside_the_permit(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump_all(objects(world("2102314NMU10P7100017"))))
    found = listed("-f", path, "--metrics", f"ascend-9={METRICS / 'npu.txt'}")
    assert found[0]["problems"] == [
        "is on node ascend-9, which isn't in the cluster; permit STA-2026-0417 allows zones cyberjaya-1"
    ]


def test_a_host_name_with_a_domain_is_its_node(written: Path, tmp_path: Path) -> None:
    metrics = tmp_path / "m.txt"
    metrics.write_text(DCGM.replace('Hostname="gpu-1"', 'Hostname="gpu-1.dc.example.my"'))
    assert {row["node"] for row in listed("-f", written, "--metrics", metrics)} == {"gpu-1"}


def test_csv_has_one_line_a_chip_and_no_formula(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    here = world("GPU-1")
    here.inventories[0]["spec"]["deliveries"][0]["name"] = "=1+1"
    path.write_text(yaml.safe_dump_all(objects(here)))
    (row,) = csv.DictReader(io.StringIO(run("-f", path, "-o", "csv").stdout))
    assert (row["chip"], row["ids"], row["country"], row["permitDate"]) == ("GPU-1", "GPU-1", "MY", "2025-12-01")
    assert row["delivery"] == "'=1+1"


@pytest.mark.parametrize("form", ["table", "csv"])
def test_an_exporter_writes_no_control_characters_to_the_terminal(written: Path, tmp_path: Path, form: str) -> None:
    metrics = tmp_path / "hostile.txt"
    metrics.write_text(
        'DCGM_FI_DEV_GPU_TEMP{gpu="0",UUID="N/A",Hostname="\x1b]0;owned\x07"} 40\n'
        'DCGM_FI_DEV_GPU_TEMP{gpu="1",UUID="GPU-1",Hostname="\x1b[2J"} 40\n'
    )
    result = run("-f", written, "--metrics", metrics, "-o", form)
    assert "device 0" in result.stderr
    assert "GPU-1" in result.stdout
    assert "\x1b" not in result.output


def test_yaml_is_the_same_document(written: Path) -> None:
    assert yaml.safe_load(run("-f", written, "-o", "yaml").stdout) == json.loads(
        run("-f", written, "-o", "json").stdout
    )


def test_an_inventory_that_cant_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = FakeApiServer()
    server.serve_watched()
    here = world()
    here.inventories[0]["spec"]["goneAfter"] = "soon"
    server.add(*objects(here))
    with serving(server):
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path)))
        result = run()
    assert result.exit_code == 1
    assert "note: AcceleratorInventory h20: spec.goneAfter" in result.stderr


@contextmanager
def exporter(body: str, status: int = 200) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Serve a body, and yield the address with the paths and tokens of the requests."""
    asked: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers.get("Authorization", "")))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_an_exporter_is_asked_by_its_address(written: Path, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    with exporter(NPU) as (url, asked):
        found = listed("-f", written, "--metrics", f"gpu-1={url}/metrics?a=b", "--bearer-token-file", token)
    assert asked == [("/metrics?a=b", "Bearer secret")]
    assert [row["node"] for row in found] == ["gpu-1"] * 4


def test_prometheus_is_asked_for_all_exporters(written: Path) -> None:
    metric = {"__name__": "npu_chip_info_name", "vdie_id": "64036E64-00A0", "node": "gpu-1"}
    with exporter(json.dumps({"status": "success", "data": {"result": [{"metric": metric, "value": [1, "1"]}]}})) as (
        url,
        asked,
    ):
        found = listed("-f", written, "--prometheus", f"{url}/")
    assert [row["chip"] for row in found] == ["GPU-1", "64036E64-00A0"]
    assert asked[0][0].startswith("/api/v1/query?query=")


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        ("<html>", 200, "can't be read as metrics"),
        ("", 503, "status 503"),
        ("", 302, "status 302"),
    ],
)
def test_metrics_that_cant_be_read_are_an_error(written: Path, body: str, status: int, why: str) -> None:
    with exporter(body, status) as (url, _):
        result = run("-f", written, "--metrics", url)
    assert (result.exit_code, result.stdout) == (2, "")
    assert why in result.stderr


def test_an_error_of_prometheus_is_told_in_its_words(written: Path) -> None:
    with exporter(json.dumps({"status": "error", "error": "query timed out"}), 422) as (url, _):
        assert "query timed out" in run("-f", written, "--prometheus", url).stderr


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--metrics", "nowhere.txt", "-f", "x"], "no such file"),
        (["--context", "c", "-f", "x"], "exclude each other"),
        (["--ca-file", __file__], "require --metrics"),
    ],
)
def test_wrong_usage_and_missing_files(arguments: list[str], why: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert why in result.stderr


def test_files_without_anything_to_go_by_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")
    assert "has none of AcceleratorInventory" in run("-f", path).stderr
