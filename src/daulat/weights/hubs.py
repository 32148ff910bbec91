"""Fetches weights from a mirror that speaks the Hugging Face Hub's protocol, or ModelScope's."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from daulat.api.weights import FETCH_FAILED, Source

from .problem import WeightsProblem


def fetch_hf(source: Source, endpoint: str, target: Path) -> None:
    """Fetch all files of a repository at a revision from a Hugging Face mirror. Raises WeightsProblem."""
    with tempfile.TemporaryDirectory() as home:
        # Read by the library when it is imported: nothing is reported, and Xet's own servers aren't asked.
        os.environ |= {
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_XET": "1",
            "TQDM_DISABLE": "1",
            "HF_HOME": home,
            "HF_ENDPOINT": endpoint,
        }
        from huggingface_hub import snapshot_download  # noqa: PLC0415 - reads the environment once

        try:
            snapshot_download(
                source.location,
                revision=source.revision or None,
                endpoint=endpoint,
                local_dir=target,
                token=os.environ.get("HF_TOKEN") or False,
            )
        except Exception as error:
            raise WeightsProblem(FETCH_FAILED, f"{source.uri} from {endpoint}: {_first_line(error)}") from error
    shutil.rmtree(target / ".cache", ignore_errors=True)


def fetch_ms(source: Source, endpoint: str, target: Path) -> None:
    """Fetch all files of a repository at a revision from a ModelScope mirror. Raises WeightsProblem."""
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {
            "MODELSCOPE_HOME": home,
            "MODELSCOPE_CACHE": home,
            "MODELSCOPE_ENDPOINT": endpoint,
            "TQDM_DISABLE": "1",
        }
        from modelscope_hub import HubApi  # noqa: PLC0415 - reads the environment once

        try:
            api = HubApi(endpoint=endpoint, token=os.environ.get("MODELSCOPE_API_TOKEN"))
            api.download_repo(source.location, "model", revision=source.revision or None, local_dir=target)
        except Exception as error:
            raise WeightsProblem(FETCH_FAILED, f"{source.uri} from {endpoint}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]
