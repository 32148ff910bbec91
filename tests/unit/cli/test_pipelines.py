"""What runs `daulat check` elsewhere (pre-commit, GitHub, GitLab), and every command that the documentation shows."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner

from daulat.cli.main import main
from dev.pages import page
from tests.docs.page import PAGES, blocks, read
from tests.unit.check.scene import BAD, namespace, pod, policy

ROOT = Path(__file__).parents[3]


def commands(page: Path) -> list[str]:
    """Return every command of ours in the console blocks of a page, without what is piped into it or out of it."""
    parts = [p.strip() for c in read(page).commands for p in re.split(r"\s\|\s|\s&&\s|\s>\s", c.bare)]
    return [part for part in parts if re.match(r"([A-Z_]+=\S+ )*daulat ", part)]


def understood(command: str) -> tuple[str, dict[str, Any]]:
    """Return a command's name and what it takes the arguments for; files needn't exist."""
    program, name, *arguments = [word for word in shlex.split(command) if not re.match(r"[A-Z_]+=", word)]
    assert program == "daulat"
    assert isinstance(main, click.Group)
    with click.Context(main, **main.context_settings) as parent:
        found = main.get_command(parent, name)
        assert found is not None, f"there is no command {name}"
        while isinstance(found, click.Group) and not (
            found.invoke_without_command and (not arguments or arguments[0].startswith("-"))
        ):
            found = found.commands[arguments.pop(0)]
        with click.Context(found, info_name=name, parent=parent) as context:
            options, rest, _ = found.make_parser(context).parse_args(arguments)
    assert rest == []
    return name, options


@pytest.mark.parametrize(("page", "command"), [(p.name, c) for p in PAGES for c in commands(p)])
def test_a_documented_command_has_only_options_that_there_are(page: str, command: str) -> None:
    understood(command)


def test_every_command_is_documented() -> None:
    documented = {understood(c)[0] for p in PAGES for c in commands(p)}
    with click.Context(main, **main.context_settings) as context:
        assert documented == set(main.list_commands(context)) - {"operator"}


def repository(folder: Path) -> Path:
    """Make a repository with a policy, a good pod, a bad one and a file that is no manifest."""
    (folder / "policies").mkdir(parents=True)
    (folder / "manifests").mkdir()
    (folder / "policies" / "all.json").write_text("\n".join(json.dumps(o) for o in (policy(), namespace())))
    (folder / "manifests" / "good.json").write_text(json.dumps(pod()))
    (folder / "manifests" / "it's bad.json").write_text(json.dumps(pod(BAD)))
    (folder / "manifests" / "values.yaml").write_text("replicas: 1\n")
    return folder


def test_the_pre_commit_hook_judges_the_files_that_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["language"] == "python"
    assert hook["require_serial"] is True
    monkeypatch.chdir(repository(tmp_path))
    program, *entry = shlex.split(hook["entry"])
    assert program == "daulat"
    ((used,),) = [yaml.safe_load(b)["repos"] for b in blocks(ROOT / page("check"), "yaml") if "repos:" in b]
    assert used["hooks"][0]["id"] == hook["id"]
    arguments = [*entry, *used["hooks"][0]["args"]]

    def run(*changed: str) -> int:
        return CliRunner().invoke(main, [*arguments, *changed]).exit_code

    assert run("manifests/good.json", "manifests/values.yaml") == 0
    assert run("manifests/good.json", "manifests/it's bad.json") == 1
    assert run("policies/all.json") == 0
    assert run("manifests/values.yaml") == 0


def action() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
    return found


def acted(folder: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run the action's last step as a runner does, with the program's environment where its first step puts it."""
    step = action()["runs"]["steps"][-1]
    runner = folder.parent / "runner"
    runner.mkdir(exist_ok=True)
    environment = {"PATH": os.environ["PATH"], "GITHUB_ACTION_PATH": str(ROOT), "RUNNER_TEMP": str(runner)}
    for name, value in step["env"].items():
        key = re.fullmatch(r"\$\{\{ inputs\.([a-z-]+) }}", value)
        assert key, value
        environment[name] = inputs.get(key[1].replace("-", "_"), action()["inputs"][key[1]]["default"])
    if not (runner / "daulat").exists():
        (runner / "daulat").symlink_to(sys.prefix)
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment, cwd=folder, timeout=60)


def test_the_github_action_annotates_and_fails(tmp_path: Path) -> None:
    here = repository(tmp_path / "repository")
    done = acted(here, paths="manifests\n", policy_dirs="policies\n", sarif_file="out.sarif")
    assert done.returncode == 1, done.stderr
    (line,) = done.stdout.splitlines()
    assert line.startswith(
        "::error file=manifests/it's bad.json,line=1,title=STO-07 Pod treasury/p::STO-07 spec.containers"
    )
    (run,) = json.loads((here / "out.sarif").read_text())["runs"]
    assert [r["ruleId"] for r in run["results"]] == ["STO-07"]


def test_the_github_action_passes_where_nothing_is_refused(tmp_path: Path) -> None:
    here = repository(tmp_path / "repository")
    (here / "manifests" / "it's bad.json").unlink()
    done = acted(here)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_github_actions_inputs_run_nothing(tmp_path: Path) -> None:
    here = repository(tmp_path / "repository")
    evil = "$(touch ran)\n`touch ran`\n; touch ran\n--policy-dir\n"
    done = acted(here, paths=evil)
    assert done.returncode == 2
    assert "error: ; touch ran: no such file" in done.stderr
    assert not (here / "ran").exists()


@pytest.mark.parametrize("file", ["", "/nowhere/out.sarif"])
def test_the_github_action_says_where_its_input_is_wrong(tmp_path: Path, file: str) -> None:
    here = repository(tmp_path / "repository")
    done = acted(here, paths="missing" if not file else "manifests/good.json", policy_dirs="policies", sarif_file=file)
    assert done.returncode == 2
    assert "::error" in done.stdout


def test_no_step_of_the_action_holds_an_input_in_its_script() -> None:
    for step in action()["runs"]["steps"]:
        assert "${{" not in step["run"]
        assert "uses" not in step


def test_the_documented_workflow_uses_inputs_that_there_are() -> None:
    (workflow,) = [yaml.safe_load(b) for b in blocks(ROOT / page("check"), "yaml") if "runs-on" in b]
    steps = workflow["jobs"]["policy"]["steps"]
    (ours,) = [s for s in steps if "/daulat@" in s.get("uses", "")]
    assert set(ours["with"]) <= set(action()["inputs"])
    name, options = understood(f"daulat check . {ours['with']['options'].strip()}")
    assert (name, options["strict_namespaces"]) == ("check", True)


def test_the_documented_gitlab_job_has_options_that_there_are() -> None:
    (pipeline,) = [yaml.safe_load(b) for b in blocks(ROOT / page("check"), "yaml") if "script:" in b]
    (command,) = pipeline["policy"]["script"]
    _, options = understood(command)
    assert options["form"] == "junit"
    assert options["output_file"] == pipeline["policy"]["artifacts"]["reports"]["junit"]


def test_the_image_has_the_command() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    (path,) = re.findall(r"^ENV PATH=([^:]+):\$PATH", dockerfile, re.MULTILINE)
    (script,) = re.findall(r"printf '(.*?)' > (\S+)", dockerfile)
    assert script[1] == f"{path}/daulat"
    assert script[0].split("\\n")[1:] == ["from daulat.cli.main import main", "", "main()", ""]
