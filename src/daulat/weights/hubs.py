"""Fetches weights from a mirror that speaks the Hugging Face Hub's protocol, or ModelScope's."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from daulat.api.weights import FETCH_FAILED, Source

from . import network
from .containment import place
from .location import check_plain
from .problem import WeightsProblem


def fetch_hf(source: Source, endpoint: str, target: Path) -> None:
    """Fetch all files of a repository at a revision from a Hugging Face mirror. Raises WeightsProblem."""
    check_plain(source)
    with tempfile.TemporaryDirectory() as home:
        # Read by the library when it is imported: nothing is reported, and Xet's own servers aren't asked.
        os.environ |= {
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DOWNLOAD_TIMEOUT": str(network.READ_SECONDS),
            "HF_HUB_ETAG_TIMEOUT": str(network.READ_SECONDS),
            "TQDM_DISABLE": "1",
            "HF_HOME": home,
            "HF_ENDPOINT": endpoint,
        }
        import huggingface_hub  # noqa: PLC0415 - reads the environment once

        huggingface_hub.set_client_factory(_patient(huggingface_hub.get_session()))
        try:
            huggingface_hub.snapshot_download(
                source.location,
                revision=source.revision or None,
                endpoint=endpoint,
                local_dir=target,
                token=os.environ.get("HF_TOKEN") or False,
            )
        except Exception as error:
            raise WeightsProblem(FETCH_FAILED, f"{source.uri} from {endpoint}: {network.describe(error)}") from error
    shutil.rmtree(target / ".cache", ignore_errors=True)


def _patient(client: Any) -> Callable[[], Any]:
    """Return what makes clients such as the library's own, but with time limits: it sets none for a repository's list of files."""
    hooks = {"request": [*client.event_hooks["request"], _limit], "response": [_drop_pauses]}
    return lambda: type(client)(follow_redirects=True, event_hooks=hooks)


def _limit(request: Any) -> None:
    # Not the client's own default: the library overrides that with None.
    limits = {"connect": network.CONNECT_SECONDS, **dict.fromkeys(("read", "write", "pool"), network.READ_SECONDS)}
    given = request.extensions.get("timeout") or {}
    request.extensions["timeout"] = limits | {name: seconds for name, seconds in given.items() if seconds is not None}


def _drop_pauses(response: Any) -> None:
    """Have the library pause as it does for other errors. It waits as long as a server says, be it a week."""
    for name in ("Retry-After", "RateLimit"):
        response.headers.pop(name, None)


def fetch_ms(source: Source, endpoint: str, target: Path) -> None:
    """Fetch all files of a repository at a revision from a ModelScope mirror. Raises WeightsProblem."""
    check_plain(source)
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {
            "MODELSCOPE_HOME": home,
            "MODELSCOPE_CACHE": home,
            "MODELSCOPE_ENDPOINT": endpoint,
            "MODELSCOPE_API_MAX_RETRIES": str(network.RETRIES),
            "MODELSCOPE_API_CONNECT_TIMEOUT": str(network.CONNECT_SECONDS),
            "MODELSCOPE_API_TIMEOUT": str(network.READ_SECONDS),
            "MODELSCOPE_REPO_TREE_PAGE_TIMEOUT_SECONDS": str(network.READ_SECONDS),
            "MODELSCOPE_DOWNLOAD_MAX_RETRIES": str(network.RETRIES),
            "MODELSCOPE_DOWNLOAD_RETRY_MAX_DELAY_SECONDS": str(network.LONGEST_PAUSE_SECONDS),
            "MODELSCOPE_DOWNLOAD_TIMEOUT": str(network.READ_SECONDS),
            "MODELSCOPE_DOWNLOAD_TOTAL_TIMEOUT": str(network.UNLIMITED_SECONDS),
            "TQDM_DISABLE": "1",
        }
        from modelscope_hub import HubApi  # noqa: PLC0415 - reads the environment once

        try:
            api = HubApi(endpoint=endpoint, token=os.environ.get("MODELSCOPE_API_TOKEN"))
            listed = api.list_repo_files(source.location, "model", revision=source.revision or None)
            # The library writes a file wherever the server says, be it outside the folder.
            for file in listed:
                place(target, file.path)
            api.download_repo(
                source.location,
                "model",
                revision=source.revision or None,
                local_dir=target,
                file_list=[
                    {"Path": f.path, "Type": f.type, "Size": f.size or None, "Sha256": f.sha256} for f in listed
                ],
            )
        except WeightsProblem:
            raise
        except Exception as error:
            # Of several files it says only how many failed.
            files = getattr(error, "failed_files", None) or {"": error}
            name, first = next(iter(files.items()))
            told = f"{name}: {network.describe(first)}" if name else network.describe(error)
            raise WeightsProblem(FETCH_FAILED, f"{source.uri} from {endpoint}: {told}") from error
