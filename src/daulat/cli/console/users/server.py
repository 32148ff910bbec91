"""Serves users who sign in, each with what they may list: in a cluster, or to others of a network over TLS."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from aiohttp import web

from daulat.console.session import FORM_POLICY, Session, session_page
from daulat.console.site import STYLE, Reading, Site, style
from daulat.console.whatif import Answer, State
from daulat.kube.client import Client
from daulat.kube.errors import RequestError

from ...cluster import FORBIDDEN, ClusterUnreadable
from ...reading import Gathered
from ...simulation import needed
from ..address import LOOPBACK
from ..latest import Latest
from ..server import HEADERS, answer, attached, first_page
from ..whatif import Simulations, from_elsewhere, requested, status_of
from . import metrics
from .identity import Identity, NotAuthenticated, Proxy, Tokens, bearer
from .pages import Pages, Taken
from .rights import REVIEW_TTL, Reviews
from .sessions import LASTS, Sessions

log = logging.getLogger("daulat.console")

SESSION, END = "session", "session/end"
MOST_BYTES = 32 * 1024
"""Of a request's body. A token has about 1,000."""
AT_ONCE = 64
"""Requests that are worked on at a time. More are answered with 429, so that memory is bounded."""
HTML, TEXT = "text/html", "text/plain"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Settings:
    """How the server is reached."""

    secure: bool
    """Whether it is reached over TLS, so that its cookie is sent over TLS alone."""
    hosts: frozenset[str] = frozenset()
    """Names by which it is reached, beside those of this machine. A Host header has one of them, with any port or none."""
    review_ttl: float = REVIEW_TTL
    """Seconds for which the API server's answers about tokens and rights are kept."""

    @property
    def cookie(self) -> str:
        """The name of the cookie. Browsers take one with this prefix over TLS only, and from no other name of the domain."""
        return "__Host-daulat-console" if self.secure else "daulat-console"


class Users:
    """Answers requests of users. Whatever can't be asked of the API server refuses the request."""

    def __init__(
        self,
        client: Client,
        latest: Latest[Taken],
        pages: Pages,
        simulations: Simulations,
        settings: Settings,
        *,
        operator_namespace: str,
        proxies: tuple[str, ...] = (),
        now: Callable[[], float] = time.time,
    ) -> None:
        self._latest, self._pages, self._settings, self._now = latest, pages, settings, now
        self._simulations = simulations
        self._tokens, self._proxy = Tokens(client, settings.review_ttl), Proxy(proxies)
        self._reviews = Reviews(client, operator_namespace, settings.review_ttl)
        self._sessions = Sessions()
        self._running = 0

    def application(self) -> web.Application:
        """Return the server."""
        app = web.Application(middlewares=[self._guard], client_max_size=MOST_BYTES)
        for prefix in ("/", "/ms/"):
            app.router.add_get(prefix + SESSION, self._form)
            app.router.add_post(prefix + SESSION, self._sign_in)
            app.router.add_post(prefix + END, self._sign_out)
        app.router.add_get(f"/{STYLE}", self._style)
        app.router.add_get("/{path:.*}", self._page)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._running += 1
        try:
            found = await self._guarded(request, handler)
        finally:
            self._running -= 1
        metrics.REQUESTS.labels(str(found.status)).inc()
        metrics.SESSIONS.set(len(self._sessions))
        return found

    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if _name(request.headers.get("Host", "")) not in self._names:
            return answer(421, "This server answers requests for its own names only.\n", TEXT)
        if self._running > AT_ONCE:
            busy = answer(429, "Too many requests at a time.\n", TEXT)
            busy.headers["Retry-After"] = "1"
            return busy
        try:
            return await handler(request)
        except web.HTTPMethodNotAllowed as error:
            refused = answer(405, "The console only reads.\n", TEXT)
            refused.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
            return refused
        except web.HTTPRequestEntityTooLarge:
            return answer(413, "This is larger than any token.\n", TEXT)
        except NotAuthenticated as error:
            return self._unknown(request, error)
        except RequestError as error:
            # What the API server says may hold what was sent to it.
            log.warning("a user's rights couldn't be reviewed", extra={"error": type(error).__name__})
            return answer(503, "The API server can't say who you are and what you may list. Try again.\n", TEXT)

    @property
    def _names(self) -> frozenset[str]:
        return self._settings.hosts | LOOPBACK

    async def _style(self, request: web.Request) -> web.StreamResponse:
        return answer(200, style(), "text/css")

    async def _page(self, request: web.Request) -> web.StreamResponse:
        identity = await self._identity(request)
        taken, problem = await self._latest.get()
        if taken is None:
            return answer(503, f"The cluster can't be read: {problem}\n", TEXT)
        metrics.FACTS.set(taken.gathered.now)
        rights = await self._reviews.rights(identity, taken.gathered.model_namespaces)
        try:
            site = await self._pages.site(taken, rights)
        except ClusterUnreadable as error:
            return answer(403, f"{error}. To sign in as another user, open /{SESSION}\n", TEXT)
        path = first_page(request)
        reading = Reading(self._now(), problem, identity.user)
        file = await asyncio.to_thread(site.file, path)
        if file is not None:
            return attached(file)
        known = await self._known(request, site, path, identity, taken.gathered)
        found = await asyncio.to_thread(site.render, path, reading, known)
        return answer(status_of(known), found) if found is not None else answer(404, site.missing(path, reading))

    async def _known(
        self, request: web.Request, site: Site, path: str, identity: Identity, gathered: Gathered
    ) -> Answer | None:
        """Return what is known of the change that a page shows, or which rights the user lacks for it.

        An outcome depends on every object, and names some. So it is for users who may list all of them, and never made of a part.
        """
        if not site.about_changes(path):
            return None
        lacking = await self._reviews.lacking(identity, needed(gathered.capabilities))
        if lacking:
            return Answer(State.FORBIDDEN, kinds=dict.fromkeys(lacking, FORBIDDEN))
        return await requested(request, site, path, self._simulations, identity.key)

    async def _identity(self, request: web.Request) -> Identity:
        """Return who sends a request. Raises NotAuthenticated, and RequestError where the API server can't say."""
        by_proxy = self._proxy.identity(request)
        if by_proxy is not None:
            return by_proxy
        token = bearer(request)
        if token is not None:
            return await self._tokens.identity(token)
        session = request.cookies.get(self._settings.cookie, "")
        kept = self._sessions.token(session) if session else None
        if kept is None:
            raise NotAuthenticated("sign in first")
        try:
            return await self._tokens.identity(kept)
        except NotAuthenticated:
            self._sessions.end(session)
            raise

    def _unknown(self, request: web.Request, error: NotAuthenticated) -> web.Response:
        if "Authorization" in request.headers or request.method not in ("GET", "HEAD"):
            refused = answer(401, f"{error}\n", TEXT)
            refused.headers["WWW-Authenticate"] = "Bearer"
            return refused
        prefix = "/ms/" if request.path.startswith("/ms/") else "/"
        return _redirect(f"{prefix}{SESSION}?to={quote(request.path, safe='/')}")

    async def _form(self, request: web.Request) -> web.StreamResponse:
        try:
            user = (await self._identity(request)).user
        except NotAuthenticated:
            user = ""
        return self._session(request, 200, _local(request.query.get("to", "")), user=user)

    async def _sign_in(self, request: web.Request) -> web.StreamResponse:
        if not _same_origin(request, secure=self._settings.secure):
            return answer(403, "This form was sent by a page of another site.\n", TEXT)
        form = await request.post()
        token, to = str(form.get("token", "")).strip(), _local(str(form.get("to", "")))
        try:
            identity = await self._tokens.identity(token)
        except NotAuthenticated as error:
            metrics.SIGN_INS.labels("refused").inc()
            return self._session(request, 401, to, problem=str(error))
        metrics.SIGN_INS.labels("accepted").inc()
        found = _redirect(to)
        found.set_cookie(
            self._settings.cookie,
            self._sessions.begin(token, identity.user),
            max_age=int(LASTS),
            path="/",
            secure=self._settings.secure,
            httponly=True,
            samesite="Strict",
        )
        return found

    async def _sign_out(self, request: web.Request) -> web.StreamResponse:
        if not _same_origin(request, secure=self._settings.secure):
            return answer(403, "This form was sent by a page of another site.\n", TEXT)
        self._sessions.end(request.cookies.get(self._settings.cookie, ""))
        found = _redirect("/ms/session" if request.path.startswith("/ms/") else "/session")
        found.del_cookie(
            self._settings.cookie, path="/", secure=self._settings.secure, httponly=True, samesite="Strict"
        )
        return found

    def _session(
        self, request: web.Request, status: int, to: str, *, problem: str = "", user: str = ""
    ) -> web.Response:
        language = "ms" if request.path.startswith("/ms/") else "en"
        found = answer(status, session_page(language, Session(user, to, problem)))
        found.headers["Content-Security-Policy"] = f"{FORM_POLICY}; frame-ancestors 'none'"
        return found


def _redirect(path: str) -> web.Response:
    return web.Response(status=303, headers={**HEADERS, "Location": path})


def _local(path: str) -> str:
    """Return a path of this server, or that of the first page. Browsers take // and /\\ for the begin of another server's name."""
    plain = path.startswith("/") and path.isascii() and path.isprintable() and "\\" not in path and "//" not in path
    return path if plain and not path.lstrip("/").startswith((SESSION, f"ms/{SESSION}")) else "/"


def _same_origin(request: web.Request, *, secure: bool) -> bool:
    """Say whether a form was sent by a page of this server. A client that is no browser sends neither header."""
    if from_elsewhere(request):
        return False
    origin = request.headers.get("Origin")
    return origin is None or origin == f"{'https' if secure else 'http'}://{request.headers.get('Host', '')}"


def _name(host: str) -> str:
    """Return the name of a Host header without its port, in lower case; empty where it is no host."""
    try:
        parts = urlsplit(f"//{host}")
        name = parts.hostname or ""
        parts.port  # noqa: B018 - raises where it is no port
    except ValueError:
        return ""
    if parts.path or parts.query or parts.fragment or "@" in host:
        return ""
    return f"[{name}]" if ":" in name else name
