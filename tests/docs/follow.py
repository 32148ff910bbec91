"""Follows one page as its reader does: writes the files that it shows, runs its commands, and compares what they print."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

from dev.cluster import ClusterError
from dev.deployment import poll

from . import given
from .given import Given
from .output import difference, is_shown
from .page import ROOT, Command, Page, Shown
from .session import Done, Session
from .stage import Stage


class Reader:
    """Follows a page in a folder of its own."""

    def __init__(self, page: Page, state: Given, programs: Path, folder: Path, stage: Stage | None) -> None:
        """Take the page, what it is given, the folder of the programs, an empty folder, and the cluster if it needs one."""
        self._page, self._state, self._stage = page, state, stage
        self._session = Session(folder, programs, stage.kubeconfig if stage else None)
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        known = {"tomorrow": tomorrow, "context": stage.context if stage else ""}
        self._names = {word: name.format(**known) for word, name in state.names.items()}

    def follow(self) -> None:
        """Do what the page says. AssertionError at the first command that does something else."""
        if files := given.files(self._page):
            shutil.copytree(files, self._session.folder, dirs_exist_ok=True)
        for text in self._state.shell:
            self._do(Command(text, 0))
        if self._stage and self._stage.fresh:
            for manifest in self._state.apply:
                self._do(Command(f"kubectl apply -f {manifest}", 0))
            for what in self._state.wait:
                self._do(Command(f"kubectl wait {what} --timeout=3m", 0))
        for step in self._page.steps:
            if isinstance(step, Shown):
                self._write(step)
            elif not step.marks.needs:
                self._edit(step)
                self._do(step)

    def _edit(self, command: Command) -> None:
        for pattern, edit in self._state.edits.items():
            if fnmatchcase(command.bare, pattern):
                self._do(Command(edit, 0))

    def _write(self, shown: Shown) -> None:
        """Write a file; one that the repository has must be as the page shows it."""
        text, known = self._named(shown.text), ROOT / shown.name
        if known.exists():
            same = list(yaml.safe_load_all(known.read_text())) == list(yaml.safe_load_all(text))
            assert same, f"{self._page.name} shows {shown.name} otherwise than the repository has it"
            return
        path = self._session.folder / shown.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def _do(self, command: Command) -> None:
        text, last = self._named(command.text), Done(-1, "")

        def is_right() -> bool:
            nonlocal last
            until = (lambda printed: self._shows(command, printed)) if command.marks.interrupt else None
            last = self._session.run(text, command.marks.user, until)
            return last.status == command.marks.exit and self._shows(command, last.output)

        right = is_right()
        if not right and self._stage and command.asks:
            try:
                poll(f"`{command.bare}` to do what the page shows", is_right, pause=1.0)
                right = True
            except ClusterError:
                right = False
        assert right, self._complaint(command, last)
        if self._stage:
            self._stage.follow(command)

    def _shows(self, command: Command, printed: str) -> bool:
        if command.output is None:
            return bool(printed) or not command.marks.interrupt
        return is_shown(self._named(command.output), printed, exact=self._stage is None)

    def _named(self, text: str) -> str:
        for word, name in self._names.items():
            text = re.sub(rf"(?<![\w.]){re.escape(word)}(?!\w)", name, text)
        return text

    def _complaint(self, command: Command, done: Done) -> str:
        where = f"{self._page.name}.md, line {command.line}: `{command.text}`"
        if done.status != command.marks.exit:
            return f"{where} ended with {done.status}, not {command.marks.exit}:\n{done.output}"
        return f"{where}\n{difference(self._named(command.output or ''), done.output)}"
