"""What a real node's programs and its engine are built from, and what is said where they can't be."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from dev import chromium
from dev.cluster import build, toolchain
from dev.cluster.build import CONTROL_PLANE, Step, Suite
from dev.cluster.errors import ClusterError
from dev.cluster.node import build as node
from dev.cluster.node import debian, engine

FOR_RUNC = next(step for step in node.NODE.steps if "github.com/opencontainers/runc" in step.packages)


@pytest.fixture(autouse=True)
def _an_empty_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "path").mkdir()
    monkeypatch.delenv("GO", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def install(tmp_path: Path) -> Callable[..., None]:
    """Return what puts a program on PATH that does what a line of shell says."""

    def put(*names: str, does: str = "exit 0") -> None:
        for name in names:
            (tmp_path / "path" / name).write_text(f"#!/bin/sh\n{does}\n")
            (tmp_path / "path" / name).chmod(0o755)

    return put


def last(package: str) -> str:
    return package.rpartition("/")[2]


# --- what is built


def test_each_program_of_a_node_is_built_from_a_tool_of_its_go_mod() -> None:
    packages = [package for step in node.NODE.steps for package in step.packages]
    tools = re.findall(r"^\t(\S+)$", (node.MODULE / "go.mod").read_text(), re.MULTILINE)
    named = [node.NODE.renamed.get(name, name) for name in map(last, packages)]
    assert sorted(named) == sorted(node.NODE.names)
    assert sorted([*tools, "./pause"]) == sorted(packages)


def test_nodes_and_control_plane_are_of_one_kubernetes() -> None:
    suites = (CONTROL_PLANE, node.NODE)
    assert len({build.kubernetes_version((suite.module / "go.mod").read_text()) for suite in suites}) == 1


@pytest.mark.parametrize("suite", [CONTROL_PLANE, node.NODE], ids=lambda suite: suite.title)
def test_the_pinned_go_is_new_enough_for_each_module(suite: Suite) -> None:
    pinned = toolchain.parse_version(f"go {toolchain.pinned_wheel()}")
    assert pinned is not None
    assert toolchain.required_version((suite.module / "go.mod").read_text()) <= pinned


def test_a_go_that_is_too_old_for_the_module_at_hand_is_refused(
    tmp_path: Path, install: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    install("go", does="echo go version go1.26.6 linux/amd64")
    monkeypatch.setenv("GO", str(tmp_path / "path" / "go"))
    with pytest.raises(ClusterError, match=r"is Go 1\.26\.6, and 1\.99\.0 or newer is needed"):
        build.ensure(print, suite(tmp_path, go_mod="go 1.99.0\n\tk8s.io/kubernetes v1.37.2\n"))


def suite(
    tmp_path: Path, go_mod: str = "go 1.26.0\n\tk8s.io/kubernetes v1.37.2\n", source: str = "", tag: str = "a"
) -> Suite:
    module = tmp_path / "module"
    module.mkdir(exist_ok=True)
    (module / "go.mod").write_text(go_mod)
    (module / "go.sum").write_text("")
    (module / "main.go").write_text(source)
    return Suite("programs", module, ("program",), (Step((".",), (f"-tags={tag}",)),))


def test_other_modules_sources_or_flags_mean_other_binaries(tmp_path: Path) -> None:
    same = build.directory(suite(tmp_path))
    others = [
        build.directory(suite(tmp_path, go_mod="go 1.26.0\n\tk8s.io/kubernetes v1.37.3\n")),
        build.directory(suite(tmp_path, source="package main")),
        build.directory(suite(tmp_path, tag="b")),
    ]
    assert same == build.directory(suite(tmp_path))
    assert len({same, *others}) == 4


def test_what_lies_there_is_not_built_again(tmp_path: Path) -> None:
    built = build.directory(suite(tmp_path))
    built.mkdir(parents=True)
    assert build.ensure(print, suite(tmp_path)).directory == built


def test_a_go_that_is_killed_is_not_said_to_have_failed(tmp_path: Path, install: Callable[..., None]) -> None:
    """It was, with a log that ends in the middle of nothing."""
    install("go", does="[ $1 = build ] && kill -9 $$; [ $1 = version ] && echo go version go1.26.6 linux/amd64; exit 0")
    with pytest.raises(ClusterError, match="Go was killed by signal 9 while compiling: build again"):
        build.ensure(print, suite(tmp_path))


# --- libseccomp and nft, which aren't Go


def test_without_a_c_compiler_it_is_said_what_for() -> None:
    with pytest.raises(ClusterError, match=r"^real nodes need a C compiler, with which runc is built: install it\.$"):
        FOR_RUNC.environment(print)


def test_without_pkg_config_it_is_said_what_for(install: Callable[..., None]) -> None:
    install("gcc")
    with pytest.raises(ClusterError, match=r"^real nodes need pkg-config, with which runc is built: install it\.$"):
        FOR_RUNC.environment(print)


def test_the_machines_libseccomp_is_taken_where_it_has_one(install: Callable[..., None]) -> None:
    install("gcc", "pkg-config")
    assert FOR_RUNC.environment(print) == {"CGO_ENABLED": "1"}


def test_without_libseccomp_and_apt_the_remedy_is_said(install: Callable[..., None]) -> None:
    install("gcc")
    install("pkg-config", does="exit 1")
    with pytest.raises(
        ClusterError, match=r"^real nodes need libseccomp's headers, .*: install it, or use .* apt-get\.$"
    ):
        FOR_RUNC.environment(print)


def a_debian(install: Callable[..., None], *files: str) -> None:
    """A machine with apt-get, whose packages have these files."""
    install("apt-get", does='while [ "$2" ]; do : > "$2.deb"; shift; done')
    made = "; ".join(f'/bin/mkdir -p "$3/{Path(file).parent}"; echo here > "$3/{file}"' for file in files)
    install("dpkg", does=made or "exit 1")


def test_libseccomp_is_taken_from_unpacked_packages(install: Callable[..., None]) -> None:
    install("gcc")
    install("pkg-config", does="exit 1")
    a_debian(install, "usr/include/seccomp.h", "usr/lib/x86_64-linux-gnu/libseccomp.a")
    environment = FOR_RUNC.environment(lambda _: None)
    include, library = environment["CGO_CFLAGS"].removeprefix("-I"), environment["CGO_LDFLAGS"].removeprefix("-L")
    assert (Path(include) / "seccomp.h").exists()
    assert (Path(library) / "libseccomp.a").exists()
    assert environment["CGO_ENABLED"] == "1"


def test_packages_are_fetched_once(install: Callable[..., None]) -> None:
    a_debian(install, "bin/busybox")
    said: list[str] = []
    assert debian.busybox(said.append) == debian.busybox(said.append)
    assert said == ["fetching busybox-static"]


def test_what_apt_says_is_handed_on_and_nothing_stays(install: Callable[..., None], tmp_path: Path) -> None:
    a_debian(install)
    install("apt-get", does="echo E: Unable to locate package >&2; exit 100")
    with pytest.raises(ClusterError, match=r"busybox, and apt-get can't download it \(E: Unable to locate package\)"):
        debian.busybox(lambda _: None)
    assert list((tmp_path / "cache" / "daulat" / "debian").iterdir()) == []


def test_packages_come_with_all_that_they_depend_on_whatever_is_installed_but_not_with_the_c_library(
    install: Callable[..., None], tmp_path: Path
) -> None:
    """A machine that has Chromium's libraries today may lack them tomorrow, and the cache would still be there."""
    asked = tmp_path / "asked"
    install("apt-get", does=f'echo "$@" > {asked}; for p in tool_1 libtool_2 libc6_3; do : > "${{p}}_amd64.deb"; done')
    files = '/bin/mkdir -p "$3/usr/lib/x86_64-linux-gnu"; : > "$3/usr/lib/x86_64-linux-gnu/$(/usr/bin/basename "$2")"'
    install("dpkg", does=files)
    root = debian.unpacked(("tool",), "tests need a tool", lambda _: None, dependencies=True)
    libraries = root / "usr" / "lib" / "x86_64-linux-gnu"
    assert sorted(path.name for path in libraries.iterdir()) == ["libtool_2_amd64.deb", "tool_1_amd64.deb"]
    assert debian.libraries(root) == str(libraries)
    given = asked.read_text().split()
    assert given[-2:] == ["install", "tool"]
    assert "--download-only" in given
    (status,) = (
        option.partition("status=")[2] for option in given if option.startswith("--option=Dir::State::status=")
    )
    assert Path(status).parent.parent == root.parent
    # Without them it is another directory.
    assert debian.unpacked(("tool",), "tests need a tool", lambda _: None) != root


def test_chromium_of_a_machine_is_taken_and_debians_with_its_libraries_and_a_font_where_there_is_none(
    install: Callable[..., None], tmp_path: Path
) -> None:
    libraries = "usr/lib/x86_64-linux-gnu"
    install("apt-get", does=": > chromium-headless-shell_1_amd64.deb")
    install("dpkg", does=f'/bin/mkdir -p "$3/{libraries}/pulseaudio" "$3/usr/share/fonts"')
    program, variables = chromium.program()
    root = program.parents[3]
    assert program == root / "usr" / "lib" / "chromium" / "chromium-headless-shell"
    assert variables["LD_LIBRARY_PATH"] == f"{root / libraries}:{root / libraries / 'pulseaudio'}"
    assert f"<dir>{root}/usr/share/fonts</dir>" in Path(variables["FONTCONFIG_FILE"]).read_text()
    install("chromium")
    assert chromium.program() == (tmp_path / "path" / "chromium", {})


def test_without_chromium_and_apt_the_remedy_is_said() -> None:
    with pytest.raises(
        ClusterError,
        match=r"^tests and pictures of the console need Chromium: install it, or use a machine with apt-get\.$",
    ):
        chromium.program()


@pytest.mark.parametrize(("name", "file"), [("nft", "nft"), ("iptables", "xtables-nft-multi")])
def test_nft_and_iptables_run_with_the_libraries_that_came_with_them(
    install: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, file: str
) -> None:
    libraries = "usr/lib/x86_64-linux-gnu"
    a_debian(install, f"usr/sbin/{file}", f"{libraries}/libxtables.so.12", f"{libraries}/xtables/libxt_owner.so")
    made = tmp_path / "made"
    made.mkdir()
    which = shutil.which

    def lacks(program: str, path: str | None = None) -> str | None:
        """Find what is on PATH, and of what is in the machine's own directories all but this one."""
        return which(program) if path is None else None if program == name else "it"

    monkeypatch.setattr("shutil.which", lacks)
    node.NODE.add(made, lambda _: None)
    (made / "lib" / name).write_text('#!/bin/sh\necho "$LD_LIBRARY_PATH $XTABLES_LIBDIR $*"\n')
    (made / "lib" / name).chmod(0o755)
    done = subprocess.run(
        [made / name, "list", "tables"], check=True, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}
    )
    assert done.stdout == f"{made}/lib {made}/lib/xtables list tables\n"
    assert (made / "lib" / "libxtables.so.12").exists()
    assert [path.name for path in (made / "lib" / "xtables").iterdir()] == ["libxt_owner.so"]


def test_what_the_machine_has_is_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _program, path=None: "it")
    node.NODE.add(tmp_path / "path", lambda _: None)
    assert list((tmp_path / "path").iterdir()) == []


# --- the engine


def test_the_engine_says_each_tool_that_it_lacks(install: Callable[..., None]) -> None:
    for missing, name in (("cmake", "cmake"), (r"a C\+\+ compiler", "g++"), ("make or ninja", "ninja")):
        with pytest.raises(ClusterError, match=f"^a real engine needs {missing}, with which llama.cpp is built"):
            engine.ensure(print)
        install(name)


def test_the_engine_says_that_its_source_is_not_to_be_had(
    install: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install("cmake", "g++", "ninja")
    install("python", does="echo ERROR: No matching distribution >&2; exit 1")
    monkeypatch.setattr("sys.executable", str(tmp_path / "path" / "python"))
    with pytest.raises(ClusterError, match=r"source can't be fetched \(ERROR: No matching distribution\)"):
        engine.ensure(lambda _: None)
    assert [path.suffix for path in (tmp_path / "cache" / "daulat" / "bin").iterdir()] == [".log"]


def test_the_engine_is_built_once_for_each_set_of_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Path] = []

    def make(target: Path, _say: object) -> None:
        target.write_text("")
        built.append(target)

    monkeypatch.setattr(engine, "_build", make)
    assert engine.ensure(print) == engine.ensure(print) == built[0]
    monkeypatch.setattr(engine, "OPTIONS", ("GGML_NATIVE=ON",))
    assert engine.ensure(print) == built[1]
    assert len(set(built)) == 2


def test_the_engines_source_is_pinned_by_its_hash() -> None:
    assert re.search(r"^\S+==\S+ \\\n +--hash=sha256:[0-9a-f]{64}$", engine.REQUIREMENTS.read_text(), re.MULTILINE)
