"""The images that real nodes run: small, made from files that are here, and named as if a registry had them."""

from __future__ import annotations

from pathlib import Path

from dev.cluster.paths import ROOT

from . import interpreter
from .oci import Image, Link, tree
from .settings import PAUSE

REGISTRY = "registry.example.my"
_NOT_FOR_WEIGHTS = ("kubernetes", "cel-expr-python")
"""Half of the image: only the operator imports them, and it doesn't run on these nodes."""
_DAULAT = "/opt/daulat"


def pause(binary: Path) -> Image:
    """Return the image that holds a pod's namespaces."""
    return Image(PAUSE, {"/pause": binary}, ["/pause"], user="65535:65535")


def engine(binary: Path) -> Image:
    """Return llama.cpp's server from a static binary, where its makers' own image for CPUs has it."""
    reference = f"{REGISTRY}/ggml-org/llama.cpp:server"
    return Image(reference, {"/app/llama-server": binary}, ["/app/llama-server"], directory="/app")


def weights() -> Image:
    """Return what the Dockerfile makes, from this Python and its packages, without what only the operator needs."""
    files = interpreter.files(_DAULAT, ROOT / "requirements" / "weights.txt", _NOT_FOR_WEIGHTS)
    files |= tree(ROOT / "src" / "daulat", f"{_DAULAT}/src/daulat", ("__pycache__",))
    # Debian's image has its own at this path, and without any the client of object stores doesn't start.
    files["/etc/ssl/certs/ca-certificates.crt"] = files[f"{_DAULAT}/packages/certifi/cacert.pem"]
    script = f"#!{_DAULAT}/bin/python\nfrom daulat.cli.main import main\n\nmain()\n"
    return Image(
        reference=f"{REGISTRY}/daulat/daulat:dev",
        files={**files, f"{_DAULAT}/bin/daulat": script.encode()},
        entrypoint=[f"{_DAULAT}/bin/python", "-m", "daulat.cli.main"],
        command=["operator"],
        environment={
            "PATH": f"{_DAULAT}/bin:/usr/bin:/bin",
            "PYTHONPATH": f"{_DAULAT}/src:{_DAULAT}/packages",
            "LD_LIBRARY_PATH": f"{_DAULAT}/lib",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
        },
        user="65532:65532",
    )


def model(folder: Path, name: str, tag: str = "1") -> Image:
    """Return the weights in a folder, with their signature, as an image volume has them."""
    return Image(f"{REGISTRY}/models/{name}:{tag}", tree(folder, "/"))


def client(busybox: Path) -> Image:
    """Return a shell and wget, for pods that ask others."""
    tools = {f"/bin/{tool}": Link("busybox") for tool in ("sh", "sleep", "wget", "nc", "cat", "id", "env")}
    return Image(f"{REGISTRY}/library/busybox:1", {"/bin/busybox": busybox, **tools}, ["/bin/sh"], user="65534:65534")
