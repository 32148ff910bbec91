"""Ways to hubs, and to code that isn't the engine's, past the names that USE-07 and USE-08 knew."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from daulat.controls import library
from tests.corpus.server import Manifest
from tests.e2e.world import unique

from .attack import Ground, refused, taken

WEIGHTS: Manifest = {"name": "w", "persistentVolumeClaim": {"claimName": "weights"}}


def serving(ground: Ground, **fields: Any) -> Manifest:
    """Return a pod with a container that has these fields, and weights under /models."""
    pod = ground.container(**{"volumeMounts": [{"name": "w", "mountPath": "/models"}], **fields})
    pod["spec"]["volumes"] = [WEIGHTS]
    return pod


def variables(**values: str) -> list[Manifest]:
    return [{"name": name, "value": value} for name, value in values.items()]


@pytest.mark.parametrize(
    "option",
    [
        "-hfd",
        "-hfv",
        "-mmu",
        "-dr",
        "--spec-draft-hf",
        "--mmproj-url",
        "--docker_repo",
        "--models-preset",
        "--gpt-oss-20b-default",
    ],
)
def test_more_llama_cpps_other_options_that_fetch(ground: Ground, option: str) -> None:
    for fields in (
        {"args": [option, "a/b"]},
        {"command": ["/app/llama-server"], "args": [f"{option}=a/b"]},
        {"command": ["sh", "-c", f"exec llama-server\t'{option}' a/b"]},
        {"command": ["sh", "-c", f"exec llama-server \\\n{option[:3]}''{option[3:]} a/b"]},
    ):
        refused(ground.tenant.create(ground.pods, ground.container(**fields)), "USE-07 ")


@pytest.mark.parametrize(
    "name", ["LLAMA_ARG_SPEC_DRAFT_HF_REPO", "LLAMA_ARG_HF_REPO_V", "LLAMA_ARG_MMPROJ_URL", "MODEL_ENDPOINT"]
)
def test_more_llama_cpps_other_variables_that_fetch(ground: Ground, name: str) -> None:
    refused(
        ground.tenant.create(ground.pods, ground.container(env=variables(**{name: "https://x.example"}))), "USE-07 "
    )


def test_more_an_option_out_of_several_variables(ground: Ground) -> None:
    split = variables(A="-", B="-trust-remote", C="-code", D="$(A)$(B)$(C)", E="-h", F="f")
    for args, said in (
        (["$(A)$(B)$(C)"], "USE-08 "),
        (["$(D)"], "USE-08 "),
        (["llama-server", "$(E)$(F)", "a/b"], "USE-07 "),
    ):
        refused(ground.tenant.create(ground.pods, ground.container(args=args, env=split)), said)


def test_more_settings_of_engines_from_a_settings_object(ground: Ground) -> None:
    for key, value, said in (
        ("TRUST_REMOTE_CODE", "true", "USE-08 "),
        ("VLLM_SERVER_DEV_MODE", "1", "USE-08 "),
        ("LD_PRELOAD", "/models/x.so", "USE-08 "),
        ("HF_HUB_OFFLINE", "0", "USE-07 "),
        ("DO_NOT_TRACK", "0", "USE-06 "),
    ):
        for kind, plural, field in (("ConfigMap", "configmaps", "data"), ("Secret", "secrets", "stringData")):
            body = {"kind": kind, "metadata": {"name": unique("settings")}, field: {key: value}}
            refused(ground.tenant.create(ground.within("v1", plural), body), said)


@pytest.mark.parametrize(
    "fields",
    [
        {"env": variables(PYTHONPATH="/models/code")},
        {"env": variables(PYTHONPATH="/app:models/code")},
        {"env": variables(PYTHONPATH="/app/../models/code")},
        {"env": variables(LD_PRELOAD="/models/a.so")},
        {"env": variables(GGML_BACKEND_PATH="$(W)/a.so", W="/models")},
        {"args": ["serve", "--config=/models/a.yaml"]},
        {"args": ["serve", "--tool_parser_plugin", "/models/a.py"]},
        {"args": ["serve", "--worker-cls=a.B"]},
        {"args": ["serve", "--worker-ext", "a.B"]},
        {"args": ["serve", "--middleware=a.b"]},
        {"args": ["serve", "--custom-weight-loader", "a.b"]},
        {"args": ["serve", "--enable-custom-logit-processor"]},
        {"args": ["serve", "--forward-hooks", "[]"]},
    ],
    ids=str,
)
def test_more_code_out_of_the_weights(ground: Ground, fields: Manifest) -> None:
    refused(ground.tenant.create(ground.pods, serving(ground, **fields)), "USE-08 ")


@pytest.mark.parametrize(
    "fields",
    [
        {"env": variables(PYTHONPATH="/app:/srv")},
        {"env": variables(LD_LIBRARY_PATH="/srv/.")},
        {"command": ["python3", "-m", "vllm.entrypoints.openai.api_server"], "workingDir": "/srv"},
        {"command": ["python3", "-m", "vllm.entrypoints.openai.api_server"], "workingDir": "/srv/vllm/code"},
    ],
    ids=str,
)
def test_more_code_out_of_weights_that_lie_deeper(ground: Ground, fields: Manifest) -> None:
    """What is mounted under a module's name is that module for whatever starts, or looks for code, in the folder above."""
    pod = serving(ground, **{**fields, "volumeMounts": [{"name": "w", "mountPath": "/srv/vllm"}]})
    refused(ground.tenant.create(ground.pods, pod), "USE-08 ")


@pytest.mark.parametrize(
    "fields",
    [
        {"env": variables(HF_ENDPOINT="", TRUST_REMOTE_CODE="no", VLLM_USE_MODELSCOPE="off")},
        {"env": variables(PYTHONPATH="/app/src", LD_LIBRARY_PATH="/usr/local/nvidia/lib64")},
        {"command": ["rsync", "-mu", "/a", "/b"]},
        {"command": ["/bin/tool", "--tr", "5", "--trust", "ca.pem", "--middleware", "gzip"]},
        {"command": ["/bin/tool", "--title", "see https://huggingface.co/docs for more"]},
        {"command": ["gunicorn", "--config", "/etc/app/config.py", "--worker-class=x"]},
        {
            "args": ["serve", "/models", "--api-key=$(KEY)"],
            "env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "k", "key": "k"}}}],
        },
    ],
    ids=str,
)
def test_more_what_only_looks_like_it(ground: Ground, fields: Manifest) -> None:
    """Honest pods that an earlier release refused, or that a careless rule would."""
    taken(ground.tenant.create(f"{ground.pods}?dryRun=All", serving(ground, **fields)))


def test_more_a_setting_that_no_list_forbids(ground: Ground) -> None:
    """What a later release of an engine brings is on no list, so only what is known as safe is taken."""
    with ground.world.governed(controls={"USE-21": "Enforce"}) as (_, namespace):
        path = f"/apis/daulat.dev/v1alpha1/namespaces/{namespace}/sovereignmodels?dryRun=All"
        for engine, change in (
            ({"args": ["--loader-of-tomorrow=x"]}, {}),
            ({"args": ["--tokenizer", "a/b"]}, {}),
            ({}, {"args": ["--max-model-le=1"]}),
            ({}, {"env": {"NCCL_NET_PLUGIN": "/models/a.so"}}),
        ):
            refused(ground.server.ask("POST", path, _model(namespace, engine, change)), "USE-21 ")
        fine = _model(namespace, {"args": ["--max_model_len=1", "-tp", "2"]}, {"env": {"VLLM_LOGGING_LEVEL": "INFO"}})
        taken(ground.server.ask("POST", path, fine))


def _model(namespace: str, engine: Manifest, accelerator: Manifest) -> Manifest:
    body: Manifest = copy.deepcopy(library.base()["objects"]["models"])
    body["metadata"] = {"name": unique("model"), "namespace": namespace}
    body["spec"]["engine"] = {"name": "vllm", **engine}
    body["spec"]["accelerators"] = [{"profile": "huawei-ascend-910b", "count": 1, **accelerator}]
    return body
