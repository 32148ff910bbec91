"""What can become of a request to the API server, as types: callers decide by class, never by a status number.

``RequestError`` is the base. ``NoAnswer`` means that nobody knows whether the request was carried out: the connection failed or
timed out. ``ApiError`` is an answer that isn't a success, with a subclass for each that some caller tells apart. ``Rejected``
gathers the answers that stay the same until somebody changes the object or the cluster's configuration: retrying at once is
pointless, and the message is worth showing to people. All others (429, 5xx) are transient.
"""

from __future__ import annotations


class RequestError(Exception):
    """A request that didn't succeed."""


class NoAnswer(RequestError):
    """The API server didn't answer: the connection failed, or the request timed out. It may have been carried out."""


class ApiError(RequestError):
    """The API server's answer where it isn't a success. ``message`` is its own sentence."""

    def __init__(self, status: int, reason: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status, self.reason, self.message = status, reason, message
        self.retry_after = retry_after
        """Seconds after which the API server wants to be asked again, where it says so."""


class Rejected(ApiError):
    """The API server judged the request and refused it."""


class BadRequest(Rejected):
    """400: the request can't be read."""


class Unauthorized(ApiError):
    """401: the credentials aren't valid, for now or any more."""


class Forbidden(Rejected):
    """403: RBAC or an admission policy refuses the request."""


class NotFound(ApiError):
    """404: there is no such object, or the kind isn't served."""


class Conflict(Rejected):
    """409: another object has the name, or the object isn't the one or the version that the request names."""


class Gone(ApiError):
    """410: the resource version or the continue token is too old."""


class TooLarge(Rejected):
    """413: the object is larger than the API server or etcd takes."""


class Invalid(Rejected):
    """422: the object violates its schema or an admission policy."""


class TooManyRequests(ApiError):
    """429: the API server, or an eviction's budget, asks to come back later."""


class ServerError(ApiError):
    """5xx: the API server, or a webhook that it calls, failed."""


_BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    413: TooLarge,
    422: Invalid,
    429: TooManyRequests,
}


def api_error(status: int, reason: str, message: str, retry_after: float | None = None) -> ApiError:
    """Return the error for an answer's status code."""
    kind = _BY_STATUS.get(status) or (ServerError if status >= 500 else ApiError)
    return kind(status, reason, message, retry_after)
