"""The options of a console that users sign in to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from daulat.process.tls import ServerTls

from ...processes import added, log_options, port_option
from .rights import REVIEW_TTL

_LEAD = "With --authenticate: the"
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@dataclass(frozen=True)
class UserOptions:
    """What was given of them."""

    authenticate: bool
    title: str
    host_names: tuple[str, ...]
    tls: ServerTls | None
    proxy_names: tuple[str, ...]
    review_ttl: float
    health_port: int
    log_level: str
    log_format: str


_OPTIONS = (
    click.option(
        "--authenticate",
        is_flag=True,
        help="Serve users who sign in with a bearer token, each with what they may list: by TokenReviews and SubjectAccessReviews.",
    ),
    click.option(
        "--title",
        default="",
        metavar="TEXT",
        help="With --authenticate: the cluster's name, shown on each page.",
    ),
    click.option(
        "--host-name",
        "host_names",
        multiple=True,
        metavar="NAME",
        help="With --authenticate: a name by which users reach the console. Requests for other names are refused.",
    ),
    click.option(
        "--tls-certificate",
        type=_FILE,
        help="With --authenticate: the server's certificate and its chain, in PEM.",
    ),
    click.option("--tls-key", type=_FILE, help="The key of the certificate, in PEM."),
    click.option(
        "--client-ca",
        type=_FILE,
        help="The authority of the client certificates of proxies that name their users, in PEM.",
    ),
    click.option(
        "--proxy-name",
        "proxy_names",
        multiple=True,
        metavar="NAME",
        help="The common name of a proxy's client certificate: its headers X-Remote-User, X-Remote-Group and X-Remote-Extra-* are "
        "trusted.",
    ),
    click.option(
        "--review-ttl",
        type=click.FloatRange(min=0),
        default=REVIEW_TTL,
        show_default=True,
        metavar="SECONDS",
        help="With --authenticate: how long the API server's answers about tokens and rights are kept. A right that was removed "
        "still opens pages for so long.",
    ),
    port_option("--health-port", _LEAD),
    *log_options(_LEAD),
)


def user_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which gets them as ``given``."""

    @wraps(command)
    def checked(
        *args: Any,
        authenticate: bool,
        title: str,
        host_names: tuple[str, ...],
        tls_certificate: Path | None,
        tls_key: Path | None,
        client_ca: Path | None,
        proxy_names: tuple[str, ...],
        review_ttl: float,
        health_port: int,
        log_level: str,
        log_format: str,
        **kwargs: Any,
    ) -> Any:
        if not authenticate and (title or host_names or tls_certificate or tls_key or client_ca or proxy_names):
            raise click.UsageError(
                "--title, --host-name, --tls-certificate, --tls-key, --client-ca and --proxy-name need --authenticate"
            )
        if bool(tls_certificate) != bool(tls_key):
            raise click.UsageError("--tls-certificate and --tls-key belong together")
        if bool(client_ca) != bool(proxy_names):
            raise click.UsageError(
                "--client-ca and --proxy-name belong together: the one says whose certificates, the other which"
            )
        if client_ca and not tls_certificate:
            raise click.UsageError("a proxy is known by its client certificate: give --tls-certificate and --tls-key")
        tls = (
            ServerTls(tls_certificate, tls_key, client_ca, client_required=False)
            if tls_certificate and tls_key
            else None
        )
        given = UserOptions(
            authenticate, title, host_names, tls, proxy_names, review_ttl, health_port, log_level, log_format
        )
        return command(*args, given=given, **kwargs)

    return added(_OPTIONS)(checked)
