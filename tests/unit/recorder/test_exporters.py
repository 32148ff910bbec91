"""Chips in the metrics of DCGM, NPU Exporter and AMD's exporter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daulat.facts.chips import ids_of
from daulat.placement.sightings import Sighting, Sightings
from daulat.recorder.exporters import Reading, read_exporter, read_prometheus, read_series

from .exporters import AMD, DCGM, NPU


def test_dcgm_shows_gpus_with_their_serial_numbers_and_mig_instances_as_their_gpu() -> None:
    found = read_exporter(DCGM)
    assert found.nameless == ()
    assert found.chips == (
        Sighting(("GPU-5C89852C-D268-7CF4-CB0E-4A5EF5A1B1F4", "1654324035001"), "gpu-1", "dcgm-exporter", "NVIDIA H20"),
        Sighting(("GPU-0D8F4C6E-19E6-2C55-8C5B-93AE3AC7A0F1", "1654324035002"), "gpu-1", "dcgm-exporter", "NVIDIA H20"),
    )


def test_npu_exporter_shows_chips_by_their_die_and_names_no_node() -> None:
    found = read_exporter(NPU, "ascend-1")
    assert [s.ids for s in found.chips] == [
        ("64036E64-00A07559-5C350CF2-B9D00485-104301E2", "2102314NMU10P7100017"),
        ("7EF86E64-0060D3F3-0A7A88F2-B9D00485-104301E2", "033EFS10P3000042"),
        ("C4036E64-00A0EA1E-398A4CF2-B9D00485-104301E2", "033EFS10P3000042"),
    ]
    assert {(s.node, s.source) for s in found.chips} == {("ascend-1", "npu-exporter")}
    assert {s.node for s in read_exporter(NPU).chips} == {""}


def test_a_card_with_two_chips_is_on_one_node() -> None:
    shown = Sightings.of(read_exporter(NPU, "ascend-1").chips)
    assert {s.node for s in shown.of_chip(ids_of("033efs10p3000042"))} == {"ascend-1"}


def test_amds_partitions_are_their_card_and_a_device_without_a_number_is_told() -> None:
    found = read_exporter(AMD)
    assert [s.ids for s in found.chips] == [
        ("692409005408", "CCFF74A1-0000-1000-80E0-C6D49F5B0D86"),
        ("692409005296",),
    ]
    assert {(s.node, s.model) for s in found.chips} == {("tw038", "AMD Instinct MI300X OAM")}
    assert found.nameless == ("device-metrics-exporter: device 49 on tw038",)


def test_what_the_user_says_of_the_node_counts_more_than_a_label() -> None:
    assert {s.node for s in read_exporter(DCGM, "other").chips} == {"other"}


def test_other_metrics_show_no_chips() -> None:
    assert read_exporter('node_load1 0.2\nup{job="x"} 1\n') == Reading()
    assert read_exporter("") == Reading()


@pytest.mark.parametrize("text", ["DCGM_FI_DEV_SM_CLOCK{gpu=", 'a{b="c} 1', "<html>"])
def test_what_is_no_metric_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_exporter(text)


def test_prometheus_names_the_node_by_its_own_label() -> None:
    metric = {"__name__": "npu_chip_info_name", "vdie_id": "64036E64-00A0", "node": "ascend-2", "hostname": "pod-7"}
    answer = {"status": "success", "data": {"resultType": "vector", "result": [{"metric": metric, "value": [1, "1"]}]}}
    assert read_prometheus(answer).chips == (Sighting(("64036E64-00A0",), "ascend-2", "npu-exporter"),)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"status": "error", "error": "parse error"}, "parse error"),
        ([], "isn't an answer"),
        ({"status": "success", "data": {"result": [1]}}, "isn't an answer"),
        ({"status": "success", "data": []}, "isn't an answer"),
    ],
)
def test_what_is_no_answer_of_prometheus_is_an_error(answer: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_prometheus(answer)


LABELS = st.dictionaries(
    st.sampled_from(["gpu", "UUID", "vdie_id", "serial_number", "gpu_id", "gpu_uuid", "Hostname", "node", "id"]),
    st.sampled_from(["", "0", "N/A", "GPU-1", "gpu-1", "GPU-2", "1654", "n1"]),
)
NAMES = st.sampled_from(["DCGM_FI_DEV_SM_CLOCK", "npu_chip_info_name", "gpu_gfx_activity", "up"])


@given(st.lists(st.tuples(NAMES, LABELS)))
def test_whatever_the_labels_are_every_chip_has_ids_and_is_on_a_node_once(
    series: list[tuple[str, dict[str, str]]],
) -> None:
    found = read_series(series)
    assert all(s.ids and all(s.ids) for s in found.chips)
    assert len({(s.ids[0], s.node) for s in found.chips}) == len(found.chips)


def test_a_chip_that_a_driver_and_an_exporter_show_is_one_with_the_ids_of_both() -> None:
    published = Sightings.of([Sighting(("GPU-5C89852C-D268-7CF4-CB0E-4A5EF5A1B1F4",), "gpu-1")])
    both = published.with_others(read_exporter(DCGM).chips)
    assert len(both.chips) == 2
    assert [s.source for s in both.of_chip(["1654324035001"])] == ["dcgm-exporter"]
