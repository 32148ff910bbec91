"""``make verify-engines``: what is rendered for every engine on every shipped accelerator, put to the engine's own parser."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from daulat.catalog.engines import engine
from dev.cluster.cluster import announce
from dev.cluster.node import engine as llama

from .lines import Asked, rendered

HERE = Path(__file__).parent


def ask_python(
    name: str, package: Mapping[str, Any], asked: Sequence[Asked], room: Path
) -> tuple[list[str], list[str]]:
    """Install a Python engine and ask its parser. Return its answers, and variables of ours that it doesn't know."""
    subprocess.run([sys.executable, "-m", "venv", str(room / "venv")], check=True)
    python = str(room / "venv" / "bin" / "python")
    options = ["--prerelease=allow"] if package.get("prerelease") else []
    install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", python, *options]
    subprocess.run([*install, package["requirement"]], check=True)
    key = engine(name).api_key_env
    question = {"arguments": [a.arguments for a in asked], "variables": [key] if key else []}
    done = subprocess.run(
        [python, str(HERE / f"ask_{name}.py")], input=json.dumps(question), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr[-2000:]}")
    answer = json.loads(done.stdout.splitlines()[-1])
    return answer["answers"], answer["unknown"]


def ask_llama(_package: Mapping[str, Any], asked: Sequence[Asked], _room: Path) -> tuple[list[str], list[str]]:
    """Build llama.cpp's server, as for real nodes, and ask it."""
    server = str(llama.ensure(announce))
    answers = []
    for each in asked:
        # It reads its arguments in their order: a wrong one ends it before it comes to --version.
        done = subprocess.run([server, *each.arguments, "--version"], capture_output=True, text=True, check=False)
        answers.append("" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no answer"])[-1])
    helped = subprocess.run([server, "--help"], capture_output=True, text=True, check=False).stdout
    key = engine("llama.cpp").api_key_env
    return answers, [] if key in helped else [key]


def verify(name: str, package: Mapping[str, Any], table: Table) -> bool:
    """Ask one engine's parser about all that is rendered for it, and about an argument that it can't know."""
    asked = rendered(name)
    # A parser that takes everything proves nothing.
    probe = Asked("none", 0, (*asked[0].arguments, "--no-such-argument-as-this"))
    with tempfile.TemporaryDirectory(prefix="daulat-engine-") as folder:
        room = Path(folder)
        if shutil.disk_usage(room).free < package["gigabytes"] * 1.2e9:
            raise SystemExit(f"{name}: needs {package['gigabytes']} GB in {room.parent}")
        ask = ask_llama if name == "llama.cpp" else lambda *a: ask_python(name, *a)
        answers, unknown = ask(package, [*asked, probe], room)
    refused = [(a, told) for a, told in zip(asked, answers[:-1], strict=True) if told]
    ok = not refused and not unknown and bool(answers[-1])
    table.add_row(
        name,
        package["requirement"],
        str(len(asked)),
        str(len(refused)),
        answers[-1] or "TAKEN",
        "ok" if ok else "WRONG",
    )
    for each, told in refused:
        print(f"{name} on {each.profile} x {each.count}: {told}: {' '.join(each.arguments)}")
    for variable in unknown:
        print(f"{name}: it doesn't know the variable {variable}")
    return ok


def main(names: Sequence[str]) -> int:
    """Verify the named engines, or all that a package registry has. Return 1 where one of them is wrong."""
    packages: dict[str, dict[str, Any]] = yaml.safe_load((HERE / "parsers.yaml").read_text())
    packages["llama.cpp"]["requirement"] = llama.pinned()
    table = Table("engine", "package", "command lines", "refused", "one wrong argument", "")
    fine = [verify(name, packages[name], table) for name in names or packages]
    Console(width=130).print(table)
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
