"""Takes the add-ons' manifests out of their pinned Go modules, once for each content of the pins.

What it leaves in the user's cache is all that a cluster needs later: no module, no network.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from dev.cluster import build, toolchain
from dev.cluster.addons.catalog import CATALOG, FILE, Addon
from dev.cluster.errors import ClusterError
from dev.cluster.locking import Say, exclusive
from dev.cluster.paths import MODULE_DIR, cache_dir

# Parses the 36,000 lines of LeaderWorkerSet's manifests in a second, where the one in Python takes twenty.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def manifests(name: str, say: Say) -> list[dict[str, Any]]:
    """All objects of an add-on as its project releases them; fetched first when they aren't there."""
    found: list[dict[str, Any]] = json.loads((ensure(say) / f"{name}.json").read_text())
    return found


def ensure(say: Say) -> Path:
    """The directory with one file an add-on."""
    pins = "\0".join(path.read_text() for path in (FILE, MODULE_DIR / "go.mod", MODULE_DIR / "go.sum"))
    target = cache_dir() / "addons" / hashlib.sha256(pins.encode()).hexdigest()[:12]
    if target.is_dir():
        return target
    kubectl = build.ensure(say)["kubectl"]
    with exclusive(target.with_suffix(".lock"), say, "fetches the add-ons"):
        if not target.is_dir():
            _fetch(target, kubectl, say)
    return target


def _fetch(target: Path, kubectl: str, say: Say) -> None:
    say(f"fetching the add-ons {', '.join(CATALOG)}")
    go = toolchain.find(say)
    temporary = target.with_suffix(f".{os.getpid()}.tmp")
    temporary.mkdir(parents=True)
    try:
        for name, addon in CATALOG.items():
            directory = download(go.path, go.environment(), addon) / addon.manifests
            objects = [o for o in yaml.load_all(_render(directory, kubectl), LOADER) if o]
            if not objects:
                raise ClusterError(f"{addon.module} has no manifests in {addon.manifests}: correct {FILE.name}.")
            (temporary / f"{name}.json").write_text(json.dumps(objects))
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def download(go: Path, environment: Mapping[str, str], addon: Addon) -> Path:
    """Where the module's files lie, of which Go or we have checked the sum."""
    with tempfile.TemporaryDirectory() as elsewhere:
        # go.sum knows the modules that are compiled. Of the others the sum is compared here, so that no database
        # of sums is asked, which a mirror of modules needn't have; and go.mod isn't to learn of them.
        place, wanted = (elsewhere, f"{addon.module}@{addon.version}") if addon.sum else (MODULE_DIR, addon.module)
        settings = {**environment, "GOSUMDB": "off"} if addon.sum else environment
        command = [str(go), "mod", "download", "-json", wanted]
        result = subprocess.run(command, check=False, cwd=place, env=settings, capture_output=True, text=True)
    try:
        answer = json.loads(result.stdout)
    except ValueError:
        answer = {"Error": result.stderr.strip()}
    if result.returncode != 0 or "Dir" not in answer:
        raise ClusterError(build.explain_download(wanted, str(answer.get("Error", "it gave no reason"))))
    if addon.sum and answer["Sum"] != addon.sum:
        raise ClusterError(f"{wanted} has the sum {answer['Sum']}, not {addon.sum} as in {FILE.name}: don't use it.")
    return Path(answer["Dir"])


def _render(directory: Path, kubectl: str) -> str:
    if (directory / "kustomization.yaml").exists():
        result = subprocess.run([kubectl, "kustomize", directory], check=False, capture_output=True, text=True)
        if result.returncode != 0:
            raise ClusterError(f"`kubectl kustomize {directory}` failed: {result.stderr.strip()}")
        return result.stdout
    files = sorted(directory.glob("*.yaml")) if directory.is_dir() else [directory]
    return "\n---\n".join(path.read_text() for path in files)
