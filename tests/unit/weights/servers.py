"""Servers of weights on this machine, each as much of its protocol as a client asks for: S3, hubs, an OCI registry."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import ssl
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

COMMIT = "0123456789abcdef0123456789abcdef01234567"
Files = Mapping[str, bytes]


@dataclass
class Site:
    """What a server answers: paths without their query, and what was asked, with the credentials that came along."""

    s3: dict[str, Files] = field(default_factory=dict)
    """By bucket."""
    hf: dict[str, Files] = field(default_factory=dict)
    """By repository."""
    ms: dict[str, Files] = field(default_factory=dict)
    """By repository."""
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """Of the registry, by NAME/REFERENCE, with their media types."""
    blobs: dict[str, bytes] = field(default_factory=dict)
    """Of the registry, by digest."""
    password: str = ""
    """What the registry asks for, as USER:PASSWORD; nothing for an open one."""
    token_lives: int = 0
    """How many of the registry's answers one token is good for; 0 for a registry without tokens."""
    tokens: list[int] = field(default_factory=list)
    """Of each token that was given out, how often it was used."""
    asked: list[str] = field(default_factory=list)
    authorized: list[str] = field(default_factory=list)
    url: str = ""

    @property
    def host(self) -> str:
        """The server's host and port."""
        return self.url.partition("://")[2]

    def image(self, name: str, *layers: bytes, tag: str = "1") -> str:
        """Put an image of tar layers into the registry and return its digest."""
        return self._manifest(name, tag, [("application/vnd.oci.image.layer.v1.tar", layer, "") for layer in layers])

    def artifact(self, name: str, files: Files, tag: str = "1") -> str:
        """Put an artifact with a layer a file into the registry and return its digest."""
        return self._manifest(name, tag, [("application/vnd.cncf.model.weight.v1.raw", c, f) for f, c in files.items()])

    def _manifest(self, name: str, tag: str, layers: list[tuple[str, bytes, str]]) -> str:
        described = []
        for media, content, title in layers:
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
            self.blobs[digest] = content
            layer = {"mediaType": media, "digest": digest, "size": len(content)}
            described.append(layer | ({"annotations": {"org.opencontainers.image.title": title}} if title else {}))
        media = "application/vnd.oci.image.manifest.v1+json"
        body = json.dumps({"schemaVersion": 2, "mediaType": media, "layers": described}).encode()
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        self.manifests[f"{name}/{tag}"] = self.manifests[f"{name}/{digest}"] = (media, body)
        return digest


def tar(files: Files, links: Mapping[str, str] | None = None) -> bytes:
    """Return an archive of files and of symbolic links."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for name, to in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, to
            archive.addfile(member)
    return stream.getvalue()


@contextmanager
def serving(site: Site, tls: ssl.SSLContext | None = None) -> Iterator[Site]:
    """Serve the site on a port of its own, by HTTPS where there is a context for it. It serves as a proxy as well."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
            pass

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            site.asked.append(self.path)
            site.authorized.append(self.headers.get("Authorization", ""))
            status, headers, content = respond(site, self.path, self.headers.get("Authorization", ""))
            wanted = self.headers.get("Range")
            if wanted and status == 200:
                first, _, last = wanted.removeprefix("bytes=").partition("-")
                end = min(int(last), len(content) - 1) if last else len(content) - 1
                headers["Content-Range"] = f"bytes {first}-{end}/{len(content)}"
                status, content = 206, content[int(first) : end + 1]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                self.wfile.write(content)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        site.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_port}"
        yield site
        server.shutdown()


Answer = tuple[int, dict[str, str], bytes]


def respond(site: Site, path: str, authorization: str) -> Answer:
    """Return the answer to one request."""
    parts, query = urlsplit(path), parse_qs(urlsplit(path).query)
    where = unquote(parts.path).strip("/")
    if where == "token":
        site.tokens.append(0)
        return _json({"token": str(len(site.tokens) - 1)})
    if (where + "/").startswith("v2/"):
        return _registry(site, where.removeprefix("v2").strip("/"), authorization)
    if where.startswith("api/v1/models/"):
        return _modelscope(site, where.removeprefix("api/v1/models/"), query)
    if where.startswith("api/models/"):
        return _hub_api(site, where.removeprefix("api/models/"))
    for name, files in site.hf.items():
        prefix = f"{name}/resolve/{COMMIT}/"
        if where.startswith(prefix) and (content := files.get(where.removeprefix(prefix))) is not None:
            etag = f'"{hashlib.sha256(content).hexdigest()}"'
            return 200, {"ETag": etag, "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}, content
    bucket, _, key = where.partition("/")
    if bucket in site.s3:
        return _s3(site.s3[bucket], bucket, key, query)
    return 404, {}, b"not here"


def _s3(files: Files, bucket: str, key: str, query: Mapping[str, list[str]]) -> Answer:
    if key:
        if key not in files:
            return 404, {}, b"<Error><Code>NoSuchKey</Code></Error>"
        digest = hashlib.sha256(files[key]).hexdigest()
        return 200, {"ETag": f'"{digest}"', "Last-Modified": formatdate(0, usegmt=True)}, files[key]
    prefix = query.get("prefix", [""])[0]
    entries = "".join(
        f"<Contents><Key>{escape(name)}</Key><Size>{len(content)}</Size><ETag>x</ETag>"
        "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
        for name, content in sorted(files.items())
        if name.startswith(prefix)
    )
    body = f"<ListBucketResult><Name>{bucket}</Name><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"
    return 200, {"Content-Type": "application/xml"}, body.encode()


def _hub_api(site: Site, where: str) -> Answer:
    for name, files in site.hf.items():
        if where.startswith(f"{name}/revision/"):
            return _json({"id": name, "sha": COMMIT, "siblings": [{"rfilename": f} for f in files]})
        if where.startswith(f"{name}/tree/"):
            tree = [
                {"type": "file", "path": f, "size": len(c), "oid": f"{n:040x}"}
                for n, (f, c) in enumerate(files.items())
            ]
            return _json(tree)
    return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"


def _modelscope(site: Site, where: str, query: Mapping[str, list[str]]) -> Answer:
    for name, files in site.ms.items():
        if where == f"{name}/repo/files":
            listed = [
                {
                    "Path": f,
                    "Name": f.rpartition("/")[2],
                    "Type": "blob",
                    "Size": len(c),
                    "Sha256": _sha(c),
                    "Revision": COMMIT,
                }
                for f, c in files.items()
            ]
            return _json({"Code": 200, "Success": True, "Data": {"Files": listed, "TotalCount": len(listed)}})
        if where == f"{name}/repo":
            content = files.get(query.get("FilePath", [""])[0])
            if content is not None:
                return 200, {"ETag": f'"{_sha(content)}"', "Accept-Ranges": "bytes"}, content
        if where == f"{name}/revisions":
            revisions = {"Branches": [{"Revision": "master"}], "Tags": []}
            return _json({"Code": 200, "Success": True, "Data": {"RevisionMap": revisions}})
    return 404, {}, b'{"Code": 404, "Success": false, "Message": "not found"}'


def _registry(site: Site, where: str, authorization: str) -> Answer:
    expected = f"Basic {base64.b64encode(site.password.encode()).decode()}"
    if site.password and authorization != expected:
        return 401, {"WWW-Authenticate": 'Basic realm="models"'}, b"{}"
    if site.token_lives:
        token = authorization.removeprefix("Bearer ")
        if not token.isdigit() or site.tokens[int(token)] >= site.token_lives:
            challenge = f'Bearer realm="{site.url}/token",service="models",scope="repository:models/r1:pull"'
            return 401, {"WWW-Authenticate": challenge}, b"{}"
        site.tokens[int(token)] += 1
    if not where:
        return _json({})
    name, kind, reference = where.rpartition("/")[0].rpartition("/")[0], where.split("/")[-2], where.rpartition("/")[2]
    if kind == "manifests" and f"{name}/{reference}" in site.manifests:
        media, body = site.manifests[f"{name}/{reference}"]
        return 200, {"Content-Type": media}, body
    if kind == "blobs" and reference in site.blobs:
        return 200, {"Content-Type": "application/octet-stream"}, site.blobs[reference]
    return 404, {}, b"{}"


def _json(value: object) -> Answer:
    return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
