"""`daulat sizing` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from daulat.catalog import accelerators
from daulat.catalog.models import models
from daulat.cli.sizing import sizing

LLAMA = {
    "model_type": "llama",
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "vocab_size": 128256,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 131072,
    "torch_dtype": "bfloat16",
}


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
    _, _, small = done.stderr.partition(": ")
    for name in accelerators.shipped():
        rows = sum(line.startswith((f"{name}  ", f"{name}: ")) for line in done.stdout.splitlines())
        assert rows + small.replace("\n", " ").split(" ").count(f"{name},") + small.endswith(f" {name}\n") == 1
    assert done.stderr.startswith(
        "32 AcceleratorProfiles aren't sized for, because memoryGiB, devicesPerNode or precisions"
    )
    assert max(map(len, done.stderr.splitlines())) <= 100
    assert "nvidia-h200               2        1" in done.stdout


def test_json_and_yaml_hold_the_same() -> None:
    arguments = ("qwen3-32b", "--accelerator", "nvidia-h20", "--accelerator", "nvidia-gpu-shared")
    found = json.loads(run(*arguments, "-o", "json").stdout)
    assert yaml.safe_load(run(*arguments, "-o", "yaml").stdout) == found
    fits, unknown = found["accelerators"]
    assert (fits["fits"], fits["devices"], fits["precision"]) == (True, 1, "BF16")
    assert (unknown["fits"], "doesn't say how much memory" in unknown["reason"]) == (None, True)


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
            'error: model "lama-3.3-70b" not found in the catalogue (did you mean llama-3.3-70b?); daulat sizing --list',
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


def test_what_isnt_known_isnt_called_too_large() -> None:
    done = run("qwen3-32b", "--accelerator", "nvidia-t4")
    assert done.exit_code == 1
    assert done.stdout == (
        "qwen3-32b on nvidia-t4: unknown\n  profile nvidia-t4 doesn't say how many devices a node has: devicesPerNode\n"
    )


def test_a_precision_that_was_specified_isnt_blamed_on_the_accelerator() -> None:
    done = run("qwen3-coder-480b-a35b", "--precision", "FP8", "--accelerator", "nvidia-h20", "--context", "131072")
    assert "480.2 billion parameters in FP8, as specified; published in BF16\n" in done.stdout
    assert "--tensor-parallel-size=4 --pipeline-parallel-size=2 " in done.stdout
    assert "which isn't a multiple of the 128 that share a scale in its FP8 weights" in done.stdout


def test_the_heads_that_cant_be_divided_are_named() -> None:
    done = run("phi-4", "--accelerator", "nvidia-h20", "--devices", "4")
    assert "2 divide 40 heads, 2 stages divide 40 layers; 10 key-value heads can't be divided evenly" in done.stdout


def test_the_command_line_has_the_number_of_sequences_where_it_was_given() -> None:
    arguments = ("qwen3-8b", "--accelerator", "nvidia-h20", "--context", "4096")
    assert "  vllm: --tensor-parallel-size=1 --max-model-len=4096\n" in run(*arguments).stdout
    limited = run(*arguments, "--concurrency", "4").stdout
    assert "  vllm: --tensor-parallel-size=1 --max-model-len=4096 --max-num-seqs=4\n" in limited


def test_the_models_of_the_catalogue_are_listed() -> None:
    done = run("--list")
    assert done.exit_code == 0
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["MODEL", "REPOSITORY", "PARAMETERS", "CONTEXT", "PRECISIONS", "LICENSE"]
    assert [row.split()[0] for row in rows] == sorted(models())
    found = json.loads(run("--list", "gpt-oss-20b", "-o", "json").stdout)
    assert [m["repository"] for m in found["models"]] == ["openai/gpt-oss-20b"]
    assert yaml.safe_load(run("--list", "gpt-oss-20b", "-o", "yaml").stdout) == found
    assert run("--list", "nothing-like-it").exit_code == 2


def test_a_model_that_isnt_in_the_catalogue_is_sized_from_its_config_json(tmp_path: Path) -> None:
    folder = tmp_path / "Our-Llama"
    folder.mkdir()
    file = folder / "config.json"
    file.write_text(json.dumps(LLAMA))
    arguments = ("--accelerator", "nvidia-h20", "-o", "json")
    told = json.loads(run("llama-3.1-8b", *arguments).stdout)["accelerators"]
    for given in (file, folder):
        found = json.loads(run(given, *arguments).stdout)
        assert found["model"]["name"] == "our-llama"
        assert found["accelerators"] == told
    fields = [word for key, value in LLAMA.items() for word in ("--set", f"{key}={value}")]
    assert json.loads(run("our-llama", *fields, *arguments).stdout)["accelerators"] == told
    more = run(file, "--set", "max_position_embeddings=8192", "--accelerator", "nvidia-h20").stdout
    assert "--max-model-len=8192" in more


def test_a_folder_that_is_called_like_a_model_isnt_taken_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "phi-4").mkdir()
    arguments = ("--accelerator", "nvidia-h20", "-o", "json")
    assert json.loads(run("phi-4", *arguments).stdout)["model"]["repository"] == "microsoft/phi-4"
    (tmp_path / "phi-4" / "config.json").write_text(json.dumps(LLAMA))
    assert json.loads(run("phi-4", *arguments).stdout)["model"]["repository"] == "microsoft/phi-4"
    assert json.loads(run("./phi-4", *arguments).stdout)["model"]["layers"] == {"total": 32}


def test_a_config_json_that_says_too_little_is_exit_code_2(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    for config, told in [
        (
            {**LLAMA, "model_type": "new"},
            "model_type new: its parameters can't be counted, so their number has to be given: --parameters",
        ),
        ({k: v for k, v in LLAMA.items() if k != "num_hidden_layers"}, "num_hidden_layers: it is missing"),
        ({**LLAMA, "hidden_size": "wide"}, "config.json: hidden_size: it is missing, or no positive number"),
        ({**LLAMA, "quantization_config": {"quant_method": "magic"}}, "quantization_config.quant_method magic"),
        ([], "not an object"),
    ]:
        file.write_text(json.dumps(config))
        done = run(file, "--accelerator", "nvidia-h20")
        assert (done.exit_code, told in done.stderr) == (2, True), (told, done.stderr)
    file.write_text("{")
    assert "not JSON" in run(file).stderr
    assert "has no config.json" in run(tmp_path.parent).stderr
    file.write_text(json.dumps({**LLAMA, "model_type": "new"}))
    assert run(file, "--parameters", "8.03e9", "--accelerator", "nvidia-h20").exit_code == 0
