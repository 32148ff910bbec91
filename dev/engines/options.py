"""Reads the options and variables of an engine from its sources, and writes them to ``catalog/engines/settings``.

    python -m dev.engines.options vllm 0.33.0 PATH [0.28.0 PATH ...]

Each path is a folder with the sources of that release, such as pip unpacks them. What a file lists already stays, so that it unites
releases. Which of them are unsafe is written by hand, in the same file.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

SETTINGS = Path(__file__).parents[2] / "src" / "daulat" / "catalog" / "engines" / "settings"
PARSERS = {
    "vllm": ("vllm/engine/arg_utils.py", "vllm/entrypoints/openai/cli_args.py", "vllm/entrypoints/common/cli_args.py"),
    "sglang": ("sglang/srt/server_args.py",),
    "llama.cpp": ("vendor/llama.cpp/common/arg.cpp",),
}
VARIABLES = {"vllm": ("vllm/envs.py",), "sglang": ("sglang/srt/environ.py",), "llama.cpp": PARSERS["llama.cpp"]}
_LLAMA_OPTION = re.compile(r"common_arg\(\s*((?:\{[^{}]*\}\s*,\s*)+)")
_NAME = re.compile(r'"(--?[A-Za-z][A-Za-z0-9._-]*)"')
_VARIABLE = re.compile(r'set_env\("([A-Z0-9_]+)"\)')


def options(engine: str, sources: Path) -> set[str]:
    """Return the options that the engine's parsers declare, in small letters with dashes where they are long."""
    found: set[str] = set()
    for path in _there(PARSERS[engine], sources):
        text = path.read_text(encoding="utf-8")
        if engine == "llama.cpp":
            found |= {name for group in _LLAMA_OPTION.findall(text) for name in _NAME.findall(group)}
        else:
            found |= set(_of_argparse(ast.parse(text)))
    return {o.replace("_", "-") if o.startswith("--") else o for o in found}


def variables(engine: str, sources: Path) -> set[str]:
    """Return the environment variables that the engine documents in the module where it reads them."""
    found: set[str] = set()
    for path in _there(VARIABLES[engine], sources):
        text = path.read_text(encoding="utf-8")
        if engine == "llama.cpp":
            found |= set(_VARIABLE.findall(text))
        else:
            found |= set(_of_module(ast.parse(text)))
    return found


def _there(files: tuple[str, ...], sources: Path) -> list[Path]:
    found = [sources / file for file in files if (sources / file).is_file()]
    if not found:
        raise SystemExit(f"{sources}: has none of {', '.join(files)}")
    return found


def _of_argparse(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_argument":
            for argument in node.args:
                if isinstance(argument, ast.Constant) and str(argument.value).startswith("-"):
                    yield str(argument.value)
        # vLLM's front end makes an option of each field.
        if isinstance(node, ast.ClassDef) and node.name in {"BaseFrontendArgs", "FrontendArgs"}:
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    yield f"--{field.target.id}"


def _of_module(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign | ast.Assign):
            targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
            yield from (t.id for t in targets if isinstance(t, ast.Name) and re.fullmatch("[A-Z][A-Z0-9_]+", t.id))
        if isinstance(node, ast.Dict):
            keys = (k.value for k in node.keys if isinstance(k, ast.Constant) and isinstance(k.value, str))
            yield from (k for k in keys if re.fullmatch("[A-Z][A-Z0-9_]+", k))


def main() -> None:
    """Unite what the file has with what the sources have."""
    engine, *rest = sys.argv[1:]
    file = SETTINGS / f"{engine}.yaml"
    head, _, _ = file.read_text(encoding="utf-8").partition("options:\n")
    data: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    listed, read = set(data["options"] or ()), set(data["variables"] or ())
    for release, path in zip(rest[::2], rest[1::2], strict=True):
        own, others = options(engine, Path(path)), variables(engine, Path(path))
        print(
            f"{engine} {release}: {len(own)} options, {len(own - listed)} new; {len(others)} variables, {len(others - read)} new"
        )
        listed |= own
        read |= others
    body = {"options": sorted(listed), "variables": sorted(read)}
    file.write_text(head + yaml.safe_dump(body, width=140, default_flow_style=None, sort_keys=False), encoding="utf-8")


if __name__ == "__main__":
    main()
