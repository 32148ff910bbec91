"""The pages as text: every page of a cluster in every language, with the files that they need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from daulat.status.facts import Facts

from . import paths
from .further import NOTHING, Further
from .language import DEFAULT, LANGUAGES, Language
from .outlines import Outlines
from .paths import numbered
from .runs import SUFFIX
from .sheets import LIST, SECTIONS, Sheet, Sheets, entry
from .whatif import Answer, Choice

POLICY = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'"
"""The Content-Security-Policy of every page: nothing runs, and nothing is loaded from elsewhere."""
STYLE = "style.css"
CHECKPOINT = "checkpoint.txt"
"""The log's checkpoint, a signed note, as a file beside the pages."""


@dataclass(frozen=True)
class Reading:
    """How the facts are read."""

    now: float | None = None
    """When the page is made, in seconds since the epoch; None for a page that is kept."""
    problem: str = ""
    """Why there are no newer facts; empty where these are the newest."""
    user: str = ""
    """Who signed in to see the page; empty where the console doesn't ask."""


class Site:
    """The pages of one reading of a cluster. Paths are relative to the site's root."""

    def __init__(self, facts: Facts, outlines: Outlines, context: str = "", further: Further = NOTHING) -> None:
        self._sheets, self._context = Sheets(facts, outlines, context, further), context

    @property
    def at(self) -> float:
        """When the facts were read, in seconds since the epoch."""
        return self._sheets.facts.now

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Return the files of the log with their paths: its last checkpoint, and the proofs of where models ran last."""
        log = self._sheets.further.log
        if log is not None and log.signed:
            yield CHECKPOINT, log.signed
        for model in self._sheets.view.models:
            run = self._sheets.last_run(model).run
            yield from ((entry.path, entry.proof) for entry in (run.entries if run is not None else ()))

    def file(self, path: str) -> bytes | None:
        """Return one of these files, or None where there is none."""
        if path.endswith(SUFFIX):
            model = self._sheets.proved.get(path.rpartition("_")[0])
            run = self._sheets.last_run(model).run if model is not None else None
            entries = run.entries if run is not None else ()
            return next((entry.proof for entry in entries if entry.path == path), None)
        log = self._sheets.further.log
        return (log.signed or None) if log is not None and path == CHECKPOINT else None

    def paths(self) -> Iterator[str]:
        """Return the path of every page."""
        for language in LANGUAGES:
            yield from (Language(language).prefix + path for path in self._sheets.by_path)

    def choice(self, path: str) -> Choice | None:
        """Return the change that a page shows, where it is worked out when the page is requested; else None."""
        return self._sheets.choice(_split(path)[1])

    def about_changes(self, path: str) -> bool:
        """Say whether a page is about changes that are worked out when it is requested."""
        sheet = self._sheets.find(_split(path)[1]) if self._sheets.further.whatif.live else None
        return sheet is not None and sheet.section == "whatif"

    def render(self, path: str, reading: Reading = Reading(), answer: Answer | None = None) -> str | None:
        """Return a page, or None where there is no such page. ``answer`` is what is known of the change that it shows."""
        language, own = _split(path)
        sheet = self._sheets.find(own)
        return None if sheet is None else self._write(sheet, language, reading, answer=answer)

    def missing(self, path: str, reading: Reading) -> str:
        """Return what is shown instead of a page that isn't there. Its links are absolute: any path may be asked for."""
        language, _ = _split(path)
        sheet = Sheet("index.html", "missing.html", "", "missing_object", dict)
        return self._write(sheet, language, reading, root="/")

    def _write(
        self,
        sheet: Sheet,
        language: Language,
        reading: Reading,
        root: str | None = None,
        answer: Answer | None = None,
    ) -> str:
        full = language.prefix + sheet.path
        up = "../" * full.count("/") if root is None else root
        view, context = self._sheets.view, dict(sheet.context())
        if answer is not None:
            context["answer"] = answer
        known: Answer | None = context.get("answer")
        at = known.at if known is not None and known.at is not None else view.at
        values: dict[str, Any] = {
            "t": language.text,
            "language": language,
            "to": lambda target: up + language.prefix + target,
            "has": self._sheets.has,
            "root": up,
            "languages": [(tag, name, up + Language(tag).prefix + sheet.path) for tag, name in LANGUAGES.items()],
            "sections": [(section, entry(section)) for section in SECTIONS],
            "sheet": sheet,
            "view": view,
            "cluster": self._context,
            "reading": reading,
            "at": at,
            "age": None if reading.now is None else max(reading.now - at, 0.0),
        }
        return environment().get_template(sheet.template).render({**values, **context})


def style() -> str:
    """Return the style sheet."""
    return (resources.files(__package__) / "data" / STYLE).read_text(encoding="utf-8")


def visible(text: str) -> str:
    """Return the text with control characters, and those that change the direction of text, written as escapes."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def _split(path: str) -> tuple[Language, str]:
    first, _, rest = path.partition("/")
    return (Language(first), rest) if first in LANGUAGES and first != DEFAULT else (Language(DEFAULT), path)


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _finalize(value: object) -> object:
    # What templates wrote themselves is markup; everything else may be an attacker's.
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


@cache
def environment() -> Environment:
    """Return the templates. Every value in them is escaped."""
    found = Environment(
        loader=PackageLoader("daulat.console", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    found.filters["stamp"] = _stamp
    found.globals.update(
        paths=paths, numbered=numbered, policy=POLICY, most=LIST, style=STYLE, checkpoint_file=CHECKPOINT
    )
    return found
