"""References are read as container runtimes read them."""

from __future__ import annotations

import pytest

from daulat.artifacts.reference import BadReference, parse

DIGEST = "sha256:" + "1a" * 32


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("nginx", "docker.io/library/nginx"),
        ("nginx:1.27", "docker.io/library/nginx:1.27"),
        ("vllm/vllm-openai:v1", "docker.io/vllm/vllm-openai:v1"),
        ("docker.io/nginx", "docker.io/library/nginx"),
        ("localhost/a", "localhost/a"),
        ("registry:5000/a/b:v1", "registry:5000/a/b:v1"),
        (f"ghcr.io/a/b:v1@{DIGEST}", f"ghcr.io/a/b:v1@{DIGEST}"),
        (f"ghcr.io/a/b@{DIGEST}", f"ghcr.io/a/b@{DIGEST}"),
    ],
)
def test_a_name_without_a_host_is_docker_hubs(text: str, full: str) -> None:
    assert str(parse(text)) == full


@pytest.mark.parametrize("text", ["", "a b", "$(IMAGE)", "ghcr.io/a/B", "ghcr.io/a//b", f"ghcr.io/a@{DIGEST[:20]}"])
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(BadReference, match=r"reference|capital"):
        parse(text)
