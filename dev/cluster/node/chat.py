"""A client of a model's Service, from where a pod is: over the OpenAI API, as any of its libraries speaks it."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from dev.cluster.errors import ClusterError
from dev.cluster.kubectl import Kubectl

from . import netns
from .real import Machine
from .serving import MODEL

QUESTION = "Where are you?"
PATH = "/v1/chat/completions"
_MESSAGES = [{"role": "user", "content": QUESTION}]


@dataclass(frozen=True)
class Chat:
    """Asks an address from a network namespace, of which it has a descriptor."""

    network: int
    address: str
    port: int
    model: str
    seconds: float = 20.0

    @classmethod
    def between(cls, pod: str, model: str, namespace: str, user: Kubectl, machines: Iterable[Machine]) -> Chat:
        """Ask a model's Service from a pod that runs on one of these nodes; `user` may look at both."""
        client = user.get("pod", pod, namespace)
        url = user.get("sovereignmodel", model, namespace)["status"]["url"]
        # By its address, for these nodes have no DNS.
        address = user.get("service", model, namespace)["spec"]["clusterIP"]
        node = client["spec"]["nodeName"]
        machine = next((m for m in machines if m.name == node), None)
        if machine is None:
            raise ClusterError(f"pod {pod} is on {node}, which is no real node: nothing runs there that could ask.")
        return cls(machine.network_of(client["status"]["podIP"]), address, urlsplit(url).port or 80, MODEL)

    def reaches(self) -> bool:
        """Whether somebody is there to be asked."""
        connection = self.connection()
        with contextlib.suppress(OSError):
            connection.connect()
            return True
        return False

    def answer(self) -> str:
        """Return the whole answer to a question."""
        response = self._post(stream=False)
        return str(json.loads(response.read())["choices"][0]["message"]["content"])

    def stream(self) -> list[str]:
        """Return the parts of the answer as they come."""
        return list(self._parts(self._post(stream=True)))

    def sent(self, tokens: int) -> http.client.HTTPConnection:
        """Ask for an answer of so many tokens, and don't wait for it."""
        # A model that was made here has no more to say after one sentence, and goes on with anything.
        body = {"model": self.model, "messages": _MESSAGES, "max_tokens": tokens, "ignore_eos": True}
        return self._sent("POST", PATH, json.dumps(body))

    def get(self, path: str) -> str:
        """Return what is on another path."""
        return self._request("GET", path).read().decode()

    def _parts(self, response: http.client.HTTPResponse) -> Iterator[str]:
        for line in response:
            data = line.decode().strip().removeprefix("data: ")
            if line.strip() and data != "[DONE]":
                for choice in json.loads(data)["choices"]:
                    if text := choice["delta"].get("content"):
                        yield text

    def _post(self, stream: bool) -> http.client.HTTPResponse:
        body = {"model": self.model, "messages": _MESSAGES, "stream": stream, "max_tokens": 32}
        return self._request("POST", PATH, json.dumps(body))

    def connection(self) -> http.client.HTTPConnection:
        """Return a connection that stays open, for as long as the server lets it."""
        return _Connection(self.network, self.address, self.port, self.seconds)

    def _sent(self, method: str, path: str, body: str | None = None) -> http.client.HTTPConnection:
        connection = self.connection()
        connection.request(method, path, body, {"Content-Type": "application/json", "Connection": "close"})
        return connection

    def _request(self, method: str, path: str, body: str | None = None) -> http.client.HTTPResponse:
        response = self._sent(method, path, body).getresponse()
        if response.status != 200:
            raise OSError(f"{response.status}: {response.read().decode()[:200]}")
        return response


class _Connection(http.client.HTTPConnection):
    def __init__(self, network: int, host: str, port: int, seconds: float) -> None:
        super().__init__(host, port, timeout=seconds)
        self._network, self._seconds = network, seconds

    def connect(self) -> None:
        found = netns.stream_socket(self._network)
        found.settimeout(self._seconds)
        found.connect((self.host, self.port))
        self.sock = found
