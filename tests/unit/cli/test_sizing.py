"""`daulat sizing` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from daulat.catalog import accelerators
from daulat.cli.sizing import sizing


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(sizing, [str(a) for a in arguments])


def test_one_accelerator_is_accounted_for_line_by_line() -> None:
    done = run("deepseek-r1", "--accelerator", "huawei-ascend-910b", "--context", "32768")
    assert done.exit_code == 0
    head, _, *lines = done.stdout.splitlines()
    assert head == "deepseek-r1 on huawei-ascend-910b: 32 devices on 4 nodes"
    assert lines[0].split("  ")[-1] == "671.0 billion parameters in BF16: huawei-ascend-910b doesn't compute in FP8"
    assert "  vllm: --tensor-parallel-size=8 --pipeline-parallel-size=4 --max-model-len=32768" in lines
    assert lines[-1] == "Not verified: developer, originCountry of deepseek-r1."


def test_all_accelerators_are_compared() -> None:
    done = run("meta-llama/Llama-3.3-70B-Instruct", "--context", "8192")
    assert done.exit_code == 0
    for name in accelerators.shipped():
        assert sum(line.split()[0].rstrip(":") == name for line in done.stdout.splitlines() if line) == 1
    assert "nvidia-h200               2        1" in done.stdout


def test_json_and_yaml_hold_the_same() -> None:
    arguments = ("qwen3-32b", "--accelerator", "nvidia-h20", "--accelerator", "nvidia-gpu-shared")
    found = json.loads(run(*arguments, "-o", "json").stdout)
    assert yaml.safe_load(run(*arguments, "-o", "yaml").stdout) == found
    fits, unknown = found["accelerators"]
    assert (fits["fits"], fits["devices"], fits["precision"]) == (True, 1, "BF16")
    assert (unknown["fits"], "doesn't say how much memory" in unknown["reason"]) == (False, True)


def test_a_profile_of_ones_own_is_known_and_takes_the_shipped_ones_place(tmp_path: Path) -> None:
    manifest = next(m for m in accelerators.manifests() if m["metadata"]["name"] == "nvidia-h20")
    manifest["spec"]["resources"] = [{"name": "nvidia.com/gpu", "sharing": "Whole", "memoryGiB": 141}]
    file = tmp_path / "h20.yaml"
    file.write_text(yaml.safe_dump(manifest))
    assert "16 devices on 2 nodes" in run("deepseek-r1", "--accelerator", "nvidia-h20", "--context", "32768").stdout
    assert ": 8 devices\n" in run("deepseek-r1", file, "--accelerator", "nvidia-h20", "--context", "32768").stdout


def test_what_fits_nowhere_is_exit_code_1() -> None:
    done = run("kimi-k2", "--accelerator", "nvidia-h100-mig")
    assert done.exit_code == 1
    assert done.stdout.startswith("kimi-k2 on nvidia-h100-mig: doesn't fit\n  kimi-k2 needs ")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("lama-3.3-70b",),
            'error: model "lama-3.3-70b" not found in the catalogue (did you mean llama-3.3-70b?); known models: ',
        ),
        (
            ("qwen3-8b", "--accelerator", "nvidia-h02"),
            'error: AcceleratorProfile "nvidia-h02" not found (did you mean nvidia-h20?)',
        ),
        (("qwen3-8b", "missing.yaml"), "error: missing.yaml: no such file or directory"),
        (("qwen3-8b", "--context", "0"), "Error: "),
        (("qwen3-8b", "--precision", "FP12"), "Error: "),
        ((), "Error: "),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: tuple[str, ...], told: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert told in done.stderr
