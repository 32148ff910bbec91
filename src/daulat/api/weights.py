"""Where a model's weights come from: the URI, how it is fetched, and the words that operator and pod share about it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from .meta import ObjectName, Spec
from .reference import NAME, TAG

Scheme = Literal["oci", "pvc", "s3", "hf", "ms"]
REMOTE: tuple[Scheme, ...] = ("s3", "hf", "ms")
"""Schemes that say what to fetch, but not from which server: an endpoint does."""

_PATH = r"(/[-A-Za-z0-9_][-A-Za-z0-9._=+]*)"
_DIGEST = r"(@sha256:[a-f0-9]{64})?"
_REPOSITORY = r"[A-Za-z0-9][-A-Za-z0-9._]*/[A-Za-z0-9][-A-Za-z0-9._]*(:[A-Za-z0-9][-A-Za-z0-9._]*)?"
URI_PATTERN = (
    rf"^(oci://{NAME}{TAG}|pvc://[a-z0-9][-a-z0-9.]*{_PATH}*/?|s3://[a-z0-9][-a-z0-9.]+[a-z0-9]{_PATH}*/?"
    rf"|(hf|ms)://{_REPOSITORY}){_DIGEST}$"
)
"""A policy compares URIs with prefixes as they are written, and what fetches resolves ``..`` first. So no segment of a path is
empty or begins with a dot, nothing is escaped, and a digest alone follows an ``@``."""
PLAIN_URI: JsonValue = {
    "rule": "!self.contains('%') && !self.contains('..') && !self.contains('/.') && self.split('//').size() <= 2"
    " && self.split('@').size() <= 2 && (!self.contains('@') || self.contains('@sha256:'))",
    "message": "a URI is compared with prefixes as it is written: it has no segment that is empty or begins with a dot, no ..,"
    " no %, and no @ but that of a digest (@sha256:...)",
}

ADDRESS_PATTERN = r"^https?://[a-zA-Z0-9][-a-zA-Z0-9.]*(:[0-9]{1,5})?(/[-A-Za-z0-9._]+)*$"
Endpoint = Annotated[
    str,
    Field(
        pattern=ADDRESS_PATTERN,
        max_length=512,
        description="The address of a server, without a user or a password in it.",
        examples=["https://s3.example.my"],
    ),
]
Size = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,9}(Mi|Gi|Ti)$", max_length=16, examples=["200Gi"])]


class WeightsCache(Spec):
    """A volume that keeps fetched weights, so that replicas and restarts needn't fetch them again."""

    storage_class_name: ObjectName
    """Its StorageClass. Only zones that have it on record are chosen."""
    size: Size
    """How large it is; room for the weights, and for those of the next version while both are there."""
    access_mode: Literal["ReadWriteMany", "ReadWriteOnce"] = "ReadWriteMany"
    """ReadWriteOnce keeps all replicas on one node."""


class Fetch(Spec):
    """How weights are brought into the pod before the engine starts. The pod fetches them, never the operator."""

    endpoint: Endpoint | None = None
    """The server of s3, hf and ms weights; left out, the first that all policies of the namespace name."""
    proxy: Endpoint | None = None
    """A proxy on the way to it."""
    secret_name: ObjectName | None = None
    """A Secret with the credentials for the server: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, HF_TOKEN or
    MODELSCOPE_API_TOKEN."""
    ca_config_map_name: ObjectName | None = None
    """A ConfigMap with the certificates of the server's certificate authority under the key ca.crt, if that authority is
    private."""
    size: Size | None = None
    """The upper bound on the size of the weights on the node's own disk; left out, there is no limit."""
    cache: WeightsCache | None = None
    """A volume that keeps them; left out, each pod fetches its own."""


@dataclass(frozen=True)
class Source:
    """A weights URI, taken apart."""

    uri: str
    scheme: str
    location: str
    """All between scheme and digest: for hf and ms without the revision."""
    revision: str
    """The revision of an hf or ms repository; empty where it isn't given."""
    digest: str
    """64 hexadecimal digits; empty where it isn't given."""

    @property
    def path(self) -> str:
        """What follows the claim or the bucket, without slashes around it."""
        return self.location.partition("/")[2].strip("/")

    @property
    def head(self) -> str:
        """The claim, the bucket or the organisation."""
        return self.location.partition("/")[0]

    @property
    def key(self) -> str:
        """A name for the folder that fetched weights are kept in, the same for the same URI."""
        return hashlib.sha256(self.uri.encode()).hexdigest()[:16]


def is_plain(uri: str) -> bool:
    """Say whether a URI means what it says: the same location to what compares it as to what resolves it."""
    return re.fullmatch(URI_PATTERN.removeprefix("^").removesuffix("$"), uri) is not None


def parse(uri: str) -> Source:
    """Take a URI apart that ``spec.model.uri`` allows. Raises ValueError where there is no scheme."""
    scheme, separator, rest = uri.partition("://")
    if not separator:
        raise ValueError(f"{uri} has no scheme")
    location, _, digest = rest.partition("@sha256:")
    revision = ""
    if scheme in ("hf", "ms"):
        location, _, revision = location.partition(":")
    return Source(uri, scheme, location, revision, digest)


class Environment:
    """The names by which a pod's init container is told what to do. Both sides of an upgrade read them: only add."""

    URI = "WEIGHTS_URI"
    ENDPOINT = "WEIGHTS_ENDPOINT"
    TARGET = "WEIGHTS_TARGET"
    """The folder to bring them to, or to check them in."""
    SIGNATURE = "WEIGHTS_SIGNATURE"
    """The signature's path under the weights."""
    TRUST = "WEIGHTS_TRUST"
    """JSON: [{"policy": NAME, "keys": [PEM...], "certificates": [PEM...]}], each of which has to be satisfied."""


# How the message of an init container begins, by what went wrong. The operator reads it from the pod's status.
SIGNATURE_VALIDATION_FAILED = "SignatureValidationFailed"
DIGEST_MISMATCH = "DigestMismatch"
FETCH_FAILED = "FetchFailed"
LOADED = "loaded"
"""The key under which an init container that succeeds reports the digest that it has checked, in a JSON object."""
CONTAINER = "weights"
"""The init container's name."""
