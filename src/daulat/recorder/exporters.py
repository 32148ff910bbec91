"""Which chips an exporter's metrics show: those of DCGM, of MindCluster's NPU Exporter and of AMD's Device Metrics Exporter.

Names of metrics and labels were read in

- NVIDIA/dcgm-exporter 1f7abdb, internal/pkg/rendermetrics (2026): ``UUID`` is the whole GPU's for MIG instances too, and the serial
  number is there where the list of fields has ``DCGM_FI_DEV_SERIAL`` as a label
- Ascend/mind-cluster 0141fd9, component/npu-exporter (2026): ``vdie_id`` on each ``npu_chip_info_*``, the serial number on one of
  them. vNPUs (``vnpu_pod_*``) have no ``vdie_id``. No metric names the node
- ROCm/device-metrics-exporter, docs/configuration/metricslist.md (2026), and samples of an MI300X: ``serial_number`` is the card's
  for each of its partitions, which have a ``gpu_uuid`` of their own
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from daulat.facts.chips import canonical, usable
from daulat.placement.sightings import Sighting

QUERY = (
    '{__name__=~"DCGM_FI_DEV_(GPU_TEMP|SM_CLOCK|FB_USED|POWER_USAGE)'
    "|npu_chip_info_(name|health_status|serial_number)"
    '|(.+_)?gpu_(gfx_activity|power_usage|package_power|used_vram|health)"}'
)
"""A PromQL query for one or a few metrics of each chip that Prometheus has scraped within the last minutes."""


@dataclass(frozen=True)
class _Exporter:
    """How one exporter names a chip. Of several labels the first one that is there counts."""

    name: str
    ids: tuple[str, ...]
    """Labels of the first id."""
    others: tuple[str, ...]
    """Labels with further ids of the same chip."""
    models: tuple[str, ...]


_DCGM = _Exporter(
    "dcgm-exporter",
    ("UUID", "uuid", "gpu_uuid"),
    ("DCGM_FI_DEV_SERIAL", "DCGM_FI_DEV_BOARD_SERIAL"),
    ("modelName", "model_name"),
)
_NPU = _Exporter("npu-exporter", ("vdie_id",), ("serial_number",), ("model_name", "name"))
_AMD = _Exporter("device-metrics-exporter", ("serial_number",), ("gpu_uuid",), ("card_series", "card_model"))
_NODES = ("node", "kubernetes_node", "Hostname", "hostname")
"""Labels with the node, the first one that is there counts: Prometheus adds ``node`` where its configuration says so."""
_WHOLE = ("spx", "na", "n/a", "")
"""AMD's modes of partitions in which a device is the whole card."""


@dataclass(frozen=True)
class Reading:
    """What metrics show."""

    chips: tuple[Sighting, ...] = ()
    nameless: tuple[str, ...] = ()
    """Devices that the exporter shows without an id that tells them from others, as words."""


def read_exporter(text: str, node: str = "") -> Reading:
    """Read an exporter's metrics, or those of several, in Prometheus' text format. Raises ValueError where they can't be read.

    ``node``: where the exporter runs; left out, what its labels say.
    """
    families = text_string_to_metric_families(text)
    return read_series(((s.name, s.labels) for family in families for s in family.samples), node)


def read_prometheus(answer: Any) -> Reading:
    """Read Prometheus' answer to an instant query for such metrics. Raises ValueError where it is none."""
    data = answer.get("data") if isinstance(answer, dict) else None
    result = data.get("result") if isinstance(data, dict) else None
    if not isinstance(answer, dict) or answer.get("status") != "success" or not isinstance(result, list):
        error = answer.get("error") if isinstance(answer, dict) else None
        raise ValueError(str(error) if error else "isn't an answer of Prometheus' query API")
    return read_series(_labels(result))


def read_series(series: Iterable[tuple[str, Mapping[str, str]]], node: str = "") -> Reading:
    """Read metrics by their names and labels."""
    ids: dict[tuple[str, str], dict[str, None]] = {}
    said: dict[tuple[str, str], tuple[str, str]] = {}
    nameless: dict[str, None] = {}
    for name, labels in series:
        exporter = _exporter(name, labels)
        if exporter is None:
            continue
        where = node or _first(labels, _NODES)
        first = _first(labels, exporter.ids)
        if not usable(first):
            index = labels.get("gpu_id") or labels.get("gpu") or labels.get("id") or "?"
            nameless[f"{exporter.name}: device {index}" + (f" on {where}" if where else "")] = None
            continue
        key = (canonical(first), where)
        known = ids.setdefault(key, {key[0]: None})
        if exporter is not _AMD or labels.get("gpu_compute_partition_type", "").lower() in _WHOLE:
            known.update((canonical(labels[o]), None) for o in exporter.others if usable(labels.get(o, "")))
        model = said.get(key, ("", ""))[1] or _first(labels, exporter.models)
        said[key] = (exporter.name, model)
    chips = tuple(Sighting(tuple(ids[key]), key[1], *said[key]) for key in ids)
    return Reading(chips, tuple(nameless))


def _exporter(name: str, labels: Mapping[str, str]) -> _Exporter | None:
    if name.startswith("DCGM_FI_"):
        # Links, switches and CPUs have metrics of their own, without a GPU.
        return _DCGM if "gpu" in labels else None
    if name.startswith(("npu_chip_", "container_npu_")):
        return _NPU if "vdie_id" in labels else None
    if "serial_number" in labels and "gpu_id" in labels:
        return _AMD
    return None


def _first(labels: Mapping[str, str], names: Iterable[str]) -> str:
    return next((labels[name] for name in names if labels.get(name)), "")


def _labels(result: list[Any]) -> Iterator[tuple[str, Mapping[str, str]]]:
    for each in result:
        metric = each.get("metric") if isinstance(each, dict) else None
        if not isinstance(metric, dict):
            raise ValueError("isn't an answer of Prometheus' query API")  # noqa: TRY004 - of what is read, not of the caller
        labels = {str(key): str(value) for key, value in metric.items()}
        yield labels.pop("__name__", ""), labels
