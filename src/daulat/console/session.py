"""The page on which a user signs in with a token, and out again. It is the only page with a form."""

from __future__ import annotations

from dataclasses import dataclass

from .language import LANGUAGES, Language
from .site import POLICY, STYLE, environment

FORM_POLICY = POLICY.replace("form-action 'none'", "form-action 'self'")
"""The Content-Security-Policy of the page."""
PATH = "session"


@dataclass(frozen=True)
class Session:
    """What the page is about."""

    user: str
    """Who is signed in; empty for nobody."""
    to: str
    """The path of the page that is shown next."""
    problem: str = ""
    """Why signing in failed."""


def session_page(tag: str, session: Session) -> str:
    """Return the page in a language, by its BCP 47 tag."""
    language = Language(tag)
    root = "../" * language.prefix.count("/")
    template = environment().get_template("session.html")
    return template.render(
        t=language.text,
        language=language,
        root=root,
        policy=FORM_POLICY,
        style=STYLE,
        session=session,
        path=PATH,
        languages=[(each, name, root + Language(each).prefix + PATH) for each, name in LANGUAGES.items()],
    )
