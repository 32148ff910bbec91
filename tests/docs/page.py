"""Reads a page: its commands in their order, what each prints, what it needs, and the files that the page shows.

CONTRIBUTING.md ("Commands in the docs") documents the notation.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[2]
SHELL = "console"
PAGES = tuple(
    sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "charts/daulat/README.md", *ROOT.glob("docs/**/*.md")])
)
_MARK = re.compile(r"<!-- (run|output of|output|file): (.*?) -->")
_ILLUSTRATION = "illustration"
_ASKS = re.compile(
    r"([A-Z_]+=\S+ )?((kubectl|helm) (-\S+ \S+ )*(get|describe|wait|events|explain|auth|list|status)\b"
    r"|(kubectl )?daulat (check|chips|crds show|doctor|explain|simulate|sizing|smoke-test|snapshot|status)\b)"
)
_FILE = re.compile(r"# ([\w./-]+\.(?:yaml|json|csv))\n")
_SHORTENED = re.compile(r"sha256:([0-9a-f]{4})\.\.\.")
"""A digest as pages write it where its length would hide the rest."""


class Need(StrEnum):
    """What a command needs that a test on the embedded control plane doesn't have."""

    OPENSHIFT = "openshift"
    CLOUD = "cloud"
    NPU = "npu"
    GPU = "gpu"
    CONTAINERS = "containers"
    DOCKER = "docker"
    REGISTRY = "registry"
    NETWORK = "network"
    ROOT = "root"
    SOFTWARE = "software"
    DATA = "data"
    LONG = "long"


class PageError(ValueError):
    """A page that isn't written in the notation, with file and line."""


@dataclass(frozen=True)
class Marks:
    """What the marks before a fence say of one command."""

    needs: frozenset[Need] = frozenset()
    user: str = ""
    exit: int = 0
    interrupt: bool = False


@dataclass(frozen=True)
class Command:
    """One command of a shell, which may span lines."""

    text: str
    line: int
    """Of its fence, in the page."""
    output: str | None = None
    """What the page says that it prints, if it does."""
    marks: Marks = Marks()

    @property
    def bare(self) -> str:
        """The command on one line, without its comment."""
        return re.sub(r"\s+#.*$", "", " ".join(self.text.replace("\\\n", " ").split("\n"))).strip()

    @property
    def asks(self) -> bool:
        """Whether it changes nothing. A reader repeats it until the cluster has done what the command before requested."""
        return bool(_ASKS.match(self.bare))


@dataclass(frozen=True)
class Shown:
    """A file that the page shows."""

    name: str
    text: str


@dataclass
class Page:
    """The steps of a page in their order."""

    path: Path
    steps: list[Command | Shown] = field(default_factory=list)
    illustrations: int = 0
    """How many texts show what a command may print, and aren't compared."""

    @property
    def name(self) -> str:
        """The file's name without its suffix: no two pages have the same."""
        return self.path.relative_to(ROOT).as_posix().removesuffix(".md")

    @property
    def commands(self) -> list[Command]:
        """All its commands, the marked ones among them."""
        return [step for step in self.steps if isinstance(step, Command)]

    @property
    def unmarked(self) -> list[Command]:
        """The commands that need nothing which a test doesn't have."""
        return [command for command in self.commands if not command.marks.needs]

    @property
    def changes(self) -> bool:
        """Whether it changes anything in a cluster, as far as its commands show it."""
        return not all(command.asks for command in self.unmarked)


def fences(path: Path) -> Iterator[Token]:
    """Yield the fences of a page, also those in lists."""
    yield from (t for t in MarkdownIt().parse(path.read_text()) if t.type == "fence")


def blocks(path: Path, language: str) -> list[str]:
    """Return the text of the fences in a language."""
    return [t.content for t in fences(path) if _language(t) == language]


def read(path: Path) -> Page:
    """Return a page. PageError where a mark isn't understood."""
    page = Page(path)
    marks: list[tuple[str, str]] = []
    follows = False  # whether the fence just before is a console's
    for token in MarkdownIt().parse(path.read_text()):
        where = f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}:{(token.map or [0])[0] + 1}"
        if token.type == "html_block":
            marks += _MARK.findall(token.content)
        elif token.type == "fence":
            follows = _add(page, token, marks, follows, where)
            marks = []
        elif token.nesting >= 0:
            if marks:
                raise PageError(f"{where}: the mark {marks[0][0]}: {marks[0][1]} stands before no fence")
            follows = False
    if marks:
        raise PageError(f"{path.name}: the mark {marks[0][0]}: {marks[0][1]} stands before no fence")
    return page


def _add(page: Page, token: Token, marks: list[tuple[str, str]], follows: bool, where: str) -> bool:
    """Add what a fence holds, and return whether the next fence may be the output of its last command."""
    line = (token.map or [0])[0] + 1
    if _language(token) == SHELL:
        if wrong := [kind for kind, _ in marks if kind != "run"]:
            raise PageError(f"{where}: the mark {wrong[0]}: stands before commands")
        found = _commands(token.content, line)
        page.steps += [replace(c, marks=_marks(c, [text for _, text in marks], where)) for c in found]
        _used([text for _, text in marks], found, where)
        return bool(found)
    named = dict(marks)
    if "run" in named:
        raise PageError(f"{where}: the mark run: stands before a fence that isn't {SHELL}")
    if "output" in named:
        if named["output"] != _ILLUSTRATION:
            raise PageError(f"{where}: a mark says output: {named['output']}; there is {_ILLUSTRATION}")
        page.illustrations += 1
    elif "output of" in named or (follows and _language(token) == "text"):
        _print(page, named.get("output of", ""), token.content, where)
    elif name := named.get("file") or (m[1] if (m := _FILE.match(token.content)) else ""):
        page.steps.append(Shown(name, _SHORTENED.sub(lambda m: "sha256:" + m[1] * 16, token.content)))
    return False


def _print(page: Page, start: str, output: str, where: str) -> None:
    """Make a text the output of the last command that starts so."""
    for index in reversed(range(len(page.steps))):
        step = page.steps[index]
        if isinstance(step, Command) and step.bare.startswith(start):
            if step.output is not None:
                raise PageError(f"{where}: the command {step.bare} has an output already")
            page.steps[index] = replace(step, output=output)
            return
    raise PageError(f"{where}: no command before starts with {start}")


def _commands(text: str, line: int) -> list[Command]:
    """Split the text of a fence: at prompts where it has any, else where a shell takes a command for whole."""
    if text.startswith("$ "):
        found = []
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, rest = _first(part.splitlines(keepends=True))
            found.append(Command(command, line, rest or None))
        return found
    lines, found = text.splitlines(keepends=True), []
    while lines:
        command, rest = _first(lines)
        lines = rest.splitlines(keepends=True)
        if command.strip() and not all(part.lstrip().startswith("#") for part in command.splitlines()):
            found.append(Command(command, line))
    return found


def _first(lines: list[str]) -> tuple[str, str]:
    """Return the first whole command of some lines, and the rest."""
    for count in range(1, len(lines) + 1):
        text = "".join(lines[:count])
        if not text.rstrip("\n").endswith("\\") and _whole(text):
            return text.rstrip("\n"), "".join(lines[count:])
    return "".join(lines).rstrip("\n"), ""


def _whole(text: str) -> bool:
    """Say whether a shell needs no more lines. One that waits for the end of a here-document only warns."""
    if not re.search(r"<<|['\"({]|\b(for|if|while)\b", text):
        return True
    judged = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    return judged.returncode == 0 and not judged.stderr


def _marks(command: Command, texts: list[str], where: str) -> Marks:
    found = Marks()
    for text in texts:
        words = dict(_word(word, where) for word in shlex.split(text))
        if not fnmatchcase(command.bare, words.get("for", "*")):
            continue
        try:
            needs = frozenset(Need(need) for need in words.get("needs", "").split(",") if need)
        except ValueError as error:
            raise PageError(f"{where}: {error}; there are {', '.join(Need)}") from error
        found = Marks(
            found.needs | needs,
            words.get("user", found.user),
            int(words.get("exit", found.exit)),
            found.interrupt or "interrupt" in words,
        )
    return found


_WORDS = {"needs", "for", "user", "exit", "interrupt"}


def _word(word: str, where: str) -> tuple[str, str]:
    name, _, value = word.partition("=")
    if name not in _WORDS:
        raise PageError(f"{where}: a mark says {name}; there are {', '.join(sorted(_WORDS))}")
    return name, value


def _used(texts: list[str], commands: list[Command], where: str) -> None:
    """PageError where a mark is for a command that the fence doesn't have."""
    for text in texts:
        pattern = dict(_word(word, where) for word in shlex.split(text)).get("for", "*")
        if not any(fnmatchcase(command.bare, pattern) for command in commands):
            raise PageError(f"{where}: no command of the fence is like {pattern}")


def _language(token: Token) -> str:
    return token.info.split()[0] if token.info.strip() else ""
