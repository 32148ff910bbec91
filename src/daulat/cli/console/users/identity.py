"""Who sends a request: the API server says whose a token is (TokenReview); a proxy says who its user is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from daulat.kube.client import Client
from daulat.process.tls import common_name

from ..expiring import Expiring

TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 - a path
MOST = 10_000
LONGEST = 16_384
"""Characters of a token at most. Tokens of ServiceAccounts have about 1,000."""
USER_HEADER, GROUP_HEADER, EXTRA_PREFIX = "X-Remote-User", "X-Remote-Group", "X-Remote-Extra-"
"""The headers of an authenticating proxy, named as those that an API server takes by default in its documentation."""


class NotAuthenticated(Exception):
    """The request is by no user that the API server knows. The text is the sentence for the user."""


@dataclass(frozen=True)
class Identity:
    """A user as the API server's authorizers know them."""

    user: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """A digest of everything that rights depend on."""
        said = [self.user, self.uid, sorted(self.groups), sorted((k, sorted(v)) for k, v in self.extra.items())]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()

    def subject(self) -> dict[str, Any]:
        """Return the fields of a SubjectAccessReview's spec that name the user."""
        extra = {name: list(values) for name, values in self.extra.items()}
        return {"user": self.user, "uid": self.uid, "groups": list(self.groups), "extra": extra}


class Tokens:
    """Asks the API server whose tokens are. Its answers are kept by the digest of the token, not with the token."""

    def __init__(self, client: Client, seconds: float) -> None:
        """Take for how many seconds an answer is kept."""
        self._client = client
        self._known: Expiring[Identity] = Expiring(seconds, MOST)

    async def identity(self, token: str) -> Identity:
        """Return whose token this is. Raises NotAuthenticated, and RequestError where the API server can't say."""
        if not token or len(token) > LONGEST or not token.isascii() or not token.isprintable() or " " in token:
            raise NotAuthenticated("this isn't a bearer token")
        key = hashlib.sha256(token.encode()).hexdigest()
        known = self._known.get(key)
        if known is None:
            known = await self._review(token)
            self._known.put(key, known)
        return known

    async def _review(self, token: str) -> Identity:
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        status = (await self._client.request("POST", TOKEN_REVIEWS, review)).get("status") or {}
        user = status.get("user") or {}
        if status.get("authenticated") is not True or not user.get("username"):
            raise NotAuthenticated("the API server doesn't accept this token: it may have expired")
        extra = {str(k): tuple(map(str, v or ())) for k, v in (user.get("extra") or {}).items()}
        return Identity(str(user["username"]), str(user.get("uid") or ""), tuple(user.get("groups") or ()), extra)


class Proxy:
    """A proxy that authenticates users and names them in headers. It is known by the common name of its client certificate."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        self._names = frozenset(names)

    def identity(self, request: web.Request) -> Identity | None:
        """Return the user whom the proxy names, or None where the request is by no proxy. Raises NotAuthenticated."""
        if not self._names or common_name(request) not in self._names:
            return None
        headers = request.headers
        users = headers.getall(USER_HEADER, [])
        if len(users) != 1 or not users[0]:
            raise NotAuthenticated(f"the proxy names no user in {USER_HEADER}")
        return Identity(users[0], groups=tuple(headers.getall(GROUP_HEADER, ())), extra=_extra(request))


def _extra(request: web.Request) -> Mapping[str, tuple[str, ...]]:
    headers = request.headers
    names = sorted({name for name in headers if name.lower().startswith(EXTRA_PREFIX.lower())})
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        # Header names have no case. The API server writes extras in lower case as well.
        key = name[len(EXTRA_PREFIX) :].lower()
        found.setdefault(key, tuple(headers.getall(name)))
    return found


def bearer(request: web.Request) -> str | None:
    """Return the bearer token of the Authorization header, empty where the header is of another kind, None without a header."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
