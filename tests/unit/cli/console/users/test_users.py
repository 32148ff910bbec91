"""The console for users who sign in: who gets in, what each sees, and that nothing is shown where the API server can't say."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from daulat.catalog.kubernetes import DEFAULT
from daulat.cli.console.latest import Latest
from daulat.cli.console.users import identity, rights, sessions
from daulat.cli.console.users.pages import Pages, Taken, made
from daulat.cli.console.users.server import AT_ONCE, MOST_BYTES, Settings, Users
from daulat.cli.console.whatif import Facts, Simulations
from daulat.cli.reading import CLUSTER_WIDE, LEASES, Gathered, Rights, Scope
from daulat.cli.simulation import Incomplete, needed
from daulat.console.further import Further
from daulat.console.log import Log
from daulat.console.outlines import shipped
from daulat.console.site import Site
from daulat.console.whatif import Answer, Choice, State, WhatIf
from daulat.kube.errors import NoAnswer
from daulat.process.tls import ServerTls
from daulat.simulate.compare import Eviction, Outcome
from daulat.simulate.run import Progress
from daulat.simulate.world import Cluster
from dev.cluster.pki import Authority
from tests.unit.console.recorded import QWEN, read, runs
from tests.unit.status.worlds import NOW
from tests.unit.world import World, model, pod

HOST = {"Host": "localhost:9999"}
EVERYTHING = {each.plural for each in CLUSTER_WIDE} | {LEASES.plural}
SYSTEM = "daulat-system"
LIVE = Further(whatif=WhatIf(live=True))
SIMULATED = {each.plural for each in needed(DEFAULT)}
REVOKED = "/whatif/zone/cyberjaya-1.html"


@dataclass
class FakeApi:
    """An API server that knows tokens and what their users may list."""

    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The user of each token, as in the status of a TokenReview."""
    may: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    """For a user or group, resources and the namespace in which they may be listed; empty for all."""
    down: bool = False
    reviews: list[dict[str, Any]] = field(default_factory=list)

    async def request(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        if self.down:
            raise NoAnswer("no route to host, token s3cret")
        self.reviews.append(body)
        spec = body["spec"]
        if path == identity.TOKEN_REVIEWS:
            user = self.users.get(spec["token"])
            return {"status": {"authenticated": user is not None, "user": user or {}}}
        assert path == rights.REVIEWS
        asked = spec["resourceAttributes"]
        assert asked["verb"] == "list"
        of = self.may.get(spec["user"], set()).union(*(self.may.get(group, set()) for group in spec["groups"]))
        return {"status": {"allowed": bool({(asked["resource"], ""), (asked["resource"], asked["namespace"])} & of)}}


def everywhere(*plurals: str) -> set[tuple[str, str]]:
    return {(plural, SYSTEM if plural == "leases" else "") for plural in plurals}


def an_api() -> FakeApi:
    api = FakeApi()
    for token, user in (("admin-token", "root"), ("team-token", "team"), ("nobody-token", "nobody")):
        api.users[token] = {"username": user, "groups": ["system:authenticated"]}
    api.may["root"] = everywhere(*EVERYTHING)
    api.may["team"] = {("sovereignmodels", "audit"), ("pods", "audit")}
    return api


def gathered() -> Gathered:
    """Return what was read of a cluster with models of two teams and a pod of each."""
    world = World(models=[model("llama", "treasury", {}), model("qwen", "audit", {})])
    lists: dict[str, list[Any]] = {
        "SovereigntyPolicy": world.policies,
        "SovereignZone": world.zones,
        "SovereignModel": world.models,
        "AcceleratorProfile": world.profiles,
        "SovereigntyExemption": world.exemptions,
        "Node": world.nodes,
        "Pod": [
            pod(f"{name}-0", "ascend-1", {"huawei.com/Ascend910": "1"}, namespace=namespace, model=name)
            for name, namespace in (("llama", "treasury"), ("qwen", "audit"))
        ],
        "AcceleratorInventory": [],
        "NodeAttestation": [],
        "ResourceSlice": [],
        "ResourceClaim": [],
        "Lease": [],
        "CustomResourceDefinition": [],
    }
    return Gathered(lists, {}, DEFAULT, "v1.37.2", NOW, Scope())


def site_of(taken: Taken, may: Rights) -> Site:
    return made(taken, may, shipped(), "my-cluster")


def worked_out(choice: Choice, facts: Cluster, progress: Progress) -> Answer:
    """Return an outcome that names a pod."""
    pod_ended = Eviction((), f"{choice.name} stands alone", 1, 1, 60, 60, ("treasury/llama-0",), ())
    outcome = Outcome(1, True, 60, 1, (), (), (pod_ended,), (), (), (), 0)
    return Answer(State.DONE, facts.now, outcome)


def server(
    api: Any,
    *,
    secure: bool = False,
    hosts: frozenset[str] = frozenset(),
    proxies: tuple[str, ...] = (),
    log: Log | None = None,
    facts: Facts | None = None,
    review_ttl: float = rights.REVIEW_TTL,
) -> Users:
    async def read() -> Taken:
        return Taken(gathered(), log)

    async def read_facts() -> Facts:
        return facts or Cluster((), NOW - 30)

    settings = Settings(secure, hosts, review_ttl)
    return Users(
        api,
        Latest(read, 15),
        Pages(site_of),
        Simulations(read_facts, 15, work=worked_out),
        settings,
        operator_namespace=SYSTEM,
        proxies=proxies,
        now=lambda: NOW,
    )


Asked = Callable[..., Awaitable[ClientResponse]]


def visit(api: FakeApi, scenario: Callable[[Asked], Awaitable[None]], **settings: Any) -> None:
    async def run() -> None:
        async with TestClient(TestServer(server(api, **settings).application())) as client:

            async def asked(
                path: str, token: str = "", method: str = "GET", headers: dict[str, str] | None = None, **more: Any
            ) -> ClientResponse:
                client.session.cookie_jar.clear()
                sent = HOST | ({"Authorization": f"Bearer {token}"} if token else {}) | (headers or {})
                return await client.request(method, path, headers=sent, allow_redirects=False, **more)

            await scenario(asked)

    asyncio.run(run())


def cookie(answer: ClientResponse) -> Any:
    (found,) = SimpleCookie(answer.headers["Set-Cookie"]).values()
    return found


def test_who_isnt_signed_in_is_led_to_the_form_and_sees_nothing() -> None:
    async def scenario(asked: Asked) -> None:
        for path, to in (("/", "/session?to=/"), ("/ms/models.html", "/ms/session?to=/ms/models.html")):
            answer = await asked(path)
            assert (answer.status, answer.headers["Location"]) == (303, to)
            assert await answer.text() == ""
        form = await asked("/session?to=/zones.html")
        text = await form.text()
        assert form.status == 200
        assert "form-action 'self'" in form.headers["Content-Security-Policy"]
        assert 'value="/zones.html"' in text
        assert "llama" not in text
        assert 'lang="ms"' in await (await asked("/ms/session")).text()

    visit(an_api(), scenario)


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer ", "Basic YTpi", "bearer", "Bearer a b"])
def test_a_token_that_the_api_server_doesnt_know_is_refused(header: str) -> None:
    async def scenario(asked: Asked) -> None:
        answer = await asked("/models.html", headers={"Authorization": header})
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert "llama" not in await answer.text()

    visit(an_api(), scenario)


def test_a_cluster_administrator_sees_every_model_and_their_own_name() -> None:
    async def scenario(asked: Asked) -> None:
        text = await (await asked("/models.html", "admin-token")).text()
        assert "model/treasury/llama.html" in text
        assert "model/audit/qwen.html" in text
        assert "<bdi>root</bdi>" in text
        assert "Not everything could be read" not in text

    visit(an_api(), scenario)


def test_a_team_sees_the_models_of_its_namespace_and_no_name_of_another() -> None:
    async def scenario(asked: Asked) -> None:
        for path in ("/", "/models.html", "/model/audit/qwen.html", "/zones.html", "/policies.html", "/drift.html"):
            answer = await asked(path, "team-token")
            text = await answer.text()
            assert answer.status == 200, path
            assert "treasury" not in text, path
            assert "llama" not in text, path
            assert "<code>SovereigntyPolicy</code>" in text, path
            assert "forbidden outside of audit" in text, path
        assert (await asked("/model/treasury/llama.html", "team-token")).status == 404
        assert "qwen-0" in await (await asked("/model/audit/qwen.html", "team-token")).text()

    visit(an_api(), scenario)


@pytest.mark.parametrize(
    ("may", "qwen", "llama"),
    [
        ({("sovereignmodels", "audit"), ("pods", "audit")}, True, False),
        ({("sovereignmodels", "audit"), ("sovereignmodels", "treasury"), ("pods", "audit")}, True, False),
        ({("sovereignmodels", "audit")}, False, False),
        ({("sovereignmodels", "audit"), ("pods", "")}, True, False),
        ({("sovereignmodels", ""), ("pods", "treasury")}, False, True),
        ({("sovereignmodels", ""), ("pods", "")}, True, True),
        ({("sovereignzones", ""), ("pods", "")}, False, False),
    ],
)
def test_a_run_in_the_log_and_its_proofs_are_for_those_who_may_list_the_model_and_its_pods(
    may: set[tuple[str, str]], qwen: bool, llama: bool
) -> None:
    api = an_api()
    api.may["team"] = may
    models = {item["metadata"]["name"]: item for item in gathered().lists["SovereignModel"]}
    log = read(runs(models["qwen"], models["llama"]))

    async def scenario(asked: Asked) -> None:
        for allowed, path, number, pod_name in ((qwen, "audit/qwen", 5, "p-q2"), (llama, "treasury/llama", 3, "p-l1")):
            answer = await asked(f"/model/{path}_{number}.tlog-proof", "team-token")
            assert answer.status == (200 if allowed else 404), path
            text = await answer.text()
            assert text.startswith("c2sp.org/tlog-proof@v1\n") == allowed
            assert (pod_name in await (await asked(f"/model/{path}.html", "team-token")).text()) == allowed
            assert (await asked(f"/model/{path}_{number}.tlog-proof")).status == 303
        assert (await asked("/checkpoint.txt", "team-token")).status == 200
        assert (await asked("/checkpoint.txt", "nobody-token")).status == 403

    visit(api, scenario, log=log)


def test_the_log_that_is_read_has_the_runs_of_the_models_that_were_read() -> None:
    assert gathered().models == (("treasury", "llama"), QWEN)


def test_pods_that_a_user_may_not_list_arent_shown_with_their_model() -> None:
    api = an_api()
    api.may["team"] = {("sovereignmodels", "audit")}

    async def scenario(asked: Asked) -> None:
        assert "qwen-0" not in await (await asked("/model/audit/qwen.html", "team-token")).text()

    visit(api, scenario)


@pytest.mark.parametrize("plural", sorted(EVERYTHING - {"leases"}))
def test_each_kind_that_a_user_may_not_list_is_missing_from_their_pages(plural: str) -> None:
    """The facts are those that the user's own kubeconfig would give."""
    api = an_api()
    api.may["root"] = everywhere(*EVERYTHING - {plural})
    kind = next(each.kind for each in CLUSTER_WIDE if each.plural == plural)

    async def scenario() -> None:
        found = gathered()
        reviews = rights.Reviews(api, SYSTEM, rights.REVIEW_TTL)  # type: ignore[arg-type]
        may = await reviews.rights(identity.Identity("root"), found.model_namespaces)
        assert kind not in may.kinds
        facts = found.facts(may)
        assert facts.unread == {kind: "forbidden"}
        shown = Site(facts, shipped())
        assert f"<code>{kind}</code>" in str(shown.render("index.html"))

    asyncio.run(scenario())


def test_a_user_without_any_right_on_daulats_kinds_is_told_so() -> None:
    async def scenario(asked: Asked) -> None:
        answer = await asked("/", "nobody-token")
        assert answer.status == 403
        assert "/session" in await answer.text()

    visit(an_api(), scenario)


def test_groups_and_extras_are_given_to_the_authorizers() -> None:
    api = an_api()
    api.users["t"] = {"username": "u", "uid": "7", "groups": ["auditors"], "extra": {"scopes": ["read"]}}
    api.may["auditors"] = everywhere(*EVERYTHING)

    async def scenario(asked: Asked) -> None:
        assert "llama" in await (await asked("/models.html", "t")).text()
        specs = [each["spec"] for each in api.reviews if "resourceAttributes" in each["spec"]]
        assert {(s["user"], s["uid"], tuple(s["groups"]), tuple(s["extra"]["scopes"])) for s in specs} == {
            ("u", "7", ("auditors",), ("read",))
        }

    visit(api, scenario)


def test_nothing_is_shown_where_the_api_server_cant_say_and_what_it_says_isnt_repeated() -> None:
    api = an_api()

    async def scenario(asked: Asked) -> None:
        api.down = True
        answer = await asked("/models.html", "admin-token")
        assert answer.status == 503
        assert "s3cret" not in await answer.text()
        assert "llama" not in await answer.text()

    visit(api, scenario)


async def sign_in(asked: Asked, token: str, to: str = "/", **headers: str) -> ClientResponse:
    return await asked("/session", method="POST", data={"token": token, "to": to}, headers=headers)


def test_a_browser_signs_in_gets_its_pages_and_signs_out() -> None:
    api = an_api()

    async def scenario(asked: Asked) -> None:
        answer = await sign_in(asked, " team-token\n", "/models.html")
        assert (answer.status, answer.headers["Location"]) == (303, "/models.html")
        found = cookie(answer)
        assert (found["httponly"], found["samesite"], found["path"], found["domain"]) == (True, "Strict", "/", "")
        assert "team-token" not in found.value
        sent = {"Cookie": f"{found.key}={found.value}"}
        text = await (await asked("/models.html", headers=sent)).text()
        assert "qwen" in text
        assert "treasury" not in text
        assert "team" in await (await asked("/session", headers=sent)).text()
        out = await asked("/session/end", method="POST", headers=sent)
        assert (out.status, out.headers["Location"]) == (303, "/session")
        assert (await asked("/models.html", headers=sent)).status == 303

    visit(api, scenario)


def test_a_session_ends_with_its_token() -> None:
    api = an_api()

    async def scenario(asked: Asked) -> None:
        found = cookie(await sign_in(asked, "team-token"))
        sent = {"Cookie": f"{found.key}={found.value}"}
        assert (await asked("/models.html", headers=sent)).status == 200
        del api.users["team-token"]
        assert (await asked("/models.html", headers=sent)).status == 303
        api.users["team-token"] = {"username": "another"}
        assert (await asked("/models.html", headers=sent)).status == 303

    visit(api, scenario, review_ttl=0)


def test_a_wrong_token_is_said_on_the_form_in_its_language_and_isnt_repeated() -> None:
    async def scenario(asked: Asked) -> None:
        answer = await asked("/ms/session", method="POST", data={"token": "wr0ng", "to": "/"})
        text = await answer.text()
        assert answer.status == 401
        assert "Log masuk gagal" in text
        assert "wr0ng" not in text
        assert "Set-Cookie" not in answer.headers

    visit(an_api(), scenario)


@pytest.mark.parametrize(
    "to",
    [
        "https://attacker.example/",
        "//attacker.example",
        "/\\attacker.example",
        "/%09//x".replace("%09", "\t"),
        "javascript:alert(1)",
        "",
        "/session",
        "/ms/session/end",
        "/\r\nSet-Cookie: a=b",
        "/a//attacker.example",
    ],
)
def test_signing_in_leads_to_a_page_of_this_server_alone(to: str) -> None:
    async def scenario(asked: Asked) -> None:
        assert (await sign_in(asked, "team-token", to)).headers["Location"] == "/"

    visit(an_api(), scenario)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://attacker.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["/session", "/session/end"])
def test_a_form_of_another_site_is_refused(headers: dict[str, str], path: str) -> None:
    async def scenario(asked: Asked) -> None:
        answer = await asked(path, method="POST", data={"token": "team-token"}, headers=headers)
        assert answer.status == 403
        assert "Set-Cookie" not in answer.headers

    visit(an_api(), scenario)


def test_a_form_of_this_server_is_taken() -> None:
    async def scenario(asked: Asked) -> None:
        own = {"Origin": "http://localhost:9999", "Sec-Fetch-Site": "same-origin"}
        assert (await sign_in(asked, "team-token", **own)).status == 303

    visit(an_api(), scenario)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
def test_other_methods_are_refused(method: str) -> None:
    async def scenario(asked: Asked) -> None:
        answer = await asked("/models.html", "admin-token", method)
        assert answer.status == 405
        assert "llama" not in await answer.text()

    visit(an_api(), scenario)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 303),
        ("127.0.0.1:1", 303),
        ("[::1]:8765", 303),
        ("Console.Example.my", 303),
        ("console.example.my:443", 303),
        ("attacker.example", 421),
        ("localhost.attacker.example", 421),
        ("localhost:x", 421),
        ("attacker@localhost", 421),
        ("localhost/..", 421),
        ("", 421),
    ],
)
def test_a_request_for_another_name_is_refused(host: str, status: int) -> None:
    async def scenario(asked: Asked) -> None:
        assert (await asked("/", headers={"Host": host})).status == status

    visit(an_api(), scenario, hosts=frozenset({"console.example.my"}))


def test_a_body_larger_than_a_token_is_refused() -> None:
    async def scenario(asked: Asked) -> None:
        assert (await sign_in(asked, "x" * (MOST_BYTES + 1))).status == 413

    visit(an_api(), scenario)


def test_requests_that_wait_for_the_api_server_are_limited() -> None:
    api, wait = an_api(), asyncio.Event()
    answered = api.request

    async def slow(method: str, path: str, body: Any = None) -> dict[str, Any]:
        await wait.wait()
        return await answered(method, path, body)

    api.request = slow  # type: ignore[method-assign]

    async def scenario(asked: Asked) -> None:
        waiting = [asyncio.ensure_future(asked("/models.html", "admin-token")) for _ in range(AT_ONCE)]
        async with asyncio.timeout(20):
            while (refused := await asked("/session")).status != 429:
                pass
        assert refused.headers["Retry-After"] == "1"
        wait.set()
        assert {answer.status for answer in await asyncio.gather(*waiting)} <= {200, 429}

    visit(api, scenario)


def test_the_api_server_isnt_asked_again_for_each_page() -> None:
    api = an_api()

    async def scenario(asked: Asked) -> None:
        await asked("/models.html", "team-token")
        count = len(api.reviews)
        for path in ("/", "/zones.html", "/models.html"):
            await asked(path, "team-token")
        assert len(api.reviews) == count

    visit(api, scenario)


def test_a_user_cant_end_the_sessions_of_others_by_signing_in_often() -> None:
    kept = sessions.Sessions()
    others = kept.begin("t", "other")
    own = [kept.begin("t", "one") for _ in range(sessions.MOST)]
    assert kept.token(others) == "t"
    assert kept.token(own[0]) is None
    assert [kept.token(each) for each in own[-sessions.MOST_OF_A_USER :]] == ["t"] * sessions.MOST_OF_A_USER


def test_sessions_end_after_a_day_of_work() -> None:
    clock = [0.0]
    kept = sessions.Sessions(lambda: clock[0])
    session = kept.begin("t", "one")
    clock[0] = sessions.LASTS - 1
    assert kept.token(session) == "t"
    clock[0] = sessions.LASTS
    assert kept.token(session) is None
    assert len(kept) == 0


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("pki")
    ours, others = Authority.create("ours"), Authority.create("others")
    (directory / "ca.crt").write_bytes(ours.pair.certificate)
    ours.server("console", ["127.0.0.1"]).write(directory, "server")
    ours.client("proxy", ()).write(directory, "proxy")
    ours.client("alice", ()).write(directory, "alice")
    others.client("proxy", ()).write(directory, "stranger")
    return directory


@asynccontextmanager
async def over_tls(api: FakeApi, pki: Path) -> AsyncIterator[str]:
    tls = ServerTls(pki / "server.crt", pki / "server.key", pki / "ca.crt", client_required=False)
    runner = web.AppRunner(server(api, secure=True, proxies=("proxy",)).application())
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls.context()).start()
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def ask(
    url: str, pki: Path, client: str = "", headers: dict[str, str] | None = None, **form: str
) -> ClientResponse:
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    if client:
        context.load_cert_chain(pki / f"{client}.crt", pki / f"{client}.key")
    async with (
        aiohttp.ClientSession() as session,
        session.request(
            "POST" if form else "GET", url, ssl=context, headers=headers, data=form or None, allow_redirects=False
        ) as answer,
    ):
        await answer.read()
        return answer


ROOT_BY_HEADER = {"X-Remote-User": "root"}


def test_a_proxy_names_its_user_and_nobody_else_does(pki: Path) -> None:
    async def scenario() -> None:
        async with over_tls(an_api(), pki) as url:
            assert (await ask(f"{url}/models.html", pki, "proxy", ROOT_BY_HEADER)).status == 200
            # Without a certificate, or with that of another client, the headers are nothing.
            assert (await ask(f"{url}/models.html", pki, "", ROOT_BY_HEADER)).status == 303
            assert (await ask(f"{url}/models.html", pki, "alice", ROOT_BY_HEADER)).status == 303
            # A proxy that names no user, or two, isn't a user itself.
            assert (await ask(f"{url}/models.html", pki, "proxy")).status == 303
            with pytest.raises(aiohttp.ClientError):
                await ask(f"{url}/models.html", pki, "stranger", ROOT_BY_HEADER)

    asyncio.run(scenario())


def test_groups_of_the_proxys_user_count(pki: Path) -> None:
    api = an_api()
    api.may["auditors"] = everywhere(*EVERYTHING)

    async def scenario() -> None:
        async with over_tls(api, pki) as url:
            headers = {"X-Remote-User": "eve", "X-Remote-Group": "auditors", "X-Remote-Extra-Scopes": "read"}
            assert (await ask(f"{url}/models.html", pki, "proxy", headers)).status == 200
            assert api.reviews[-1]["spec"]["extra"] == {"scopes": ["read"]}
            assert (await ask(f"{url}/models.html", pki, "proxy", {"X-Remote-User": "eve"})).status == 403

    asyncio.run(scenario())


def test_over_tls_the_cookie_is_sent_over_tls_alone(pki: Path) -> None:
    async def scenario() -> None:
        async with over_tls(an_api(), pki) as url:
            answer = await ask(f"{url}/session", pki, token="team-token", to="/")
            assert answer.status == 303
            found = cookie(answer)
            assert found.key.startswith("__Host-")
            assert found["secure"]

    asyncio.run(scenario())


def test_users_with_the_same_rights_share_their_pages_and_a_new_reading_ends_them() -> None:
    made: list[Rights] = []

    def make(found: Taken, may: Rights) -> Site:
        made.append(may)
        return site_of(found, may)

    async def scenario() -> None:
        pages, one = Pages(make), Taken(gathered())
        everything = Rights(frozenset(each.kind for each in (*CLUSTER_WIDE, LEASES)))
        team = Rights(frozenset(), frozenset({"audit"}))
        sites = await asyncio.gather(*(pages.site(one, may) for may in (everything, everything, team)))
        assert sites[0] is sites[1]
        assert made == [everything, team]
        assert await pages.site(Taken(gathered()), everything) is not sites[0]

    asyncio.run(scenario())


def test_who_may_list_everything_that_a_simulation_depends_on_sees_its_outcome_with_the_age_of_its_facts() -> None:
    api = an_api()
    api.may["root"] |= everywhere(*SIMULATED)

    async def scenario(asked: Asked) -> None:
        for path in ("/whatif.html", "/whatif-nodes.html", "/whatif/policy/confidential.html"):
            assert "forbidden" not in await (await asked(path, "admin-token")).text()
        answer = await asked(REVOKED, "admin-token")
        text = await answer.text()
        assert answer.status == 200
        assert "cyberjaya-1 stands alone" in text
        assert "treasury/llama-0" in text
        assert "30 s old" in text

    visit(api, scenario)


@pytest.mark.parametrize("plural", sorted(SIMULATED))
def test_who_may_not_list_a_kind_that_a_simulation_depends_on_sees_which_and_no_outcome(plural: str) -> None:
    api = an_api()
    api.may["root"] = everywhere(*(EVERYTHING | SIMULATED) - {plural})
    kind = next(each.kind for each in needed(DEFAULT) if each.plural == plural)

    async def scenario(asked: Asked) -> None:
        # Without zones, a user has no page of one.
        for path in ("/whatif.html", "/whatif/profile/nvidia-h20.html" if plural == "sovereignzones" else REVOKED):
            answer = await asked(path, "admin-token")
            text = await answer.text()
            assert answer.status == 403
            assert f'<li><code>{kind}</code> (<bdi lang="en">forbidden</bdi>)</li>' in text
            assert "stands alone" not in text
            assert "llama-0" not in text

    visit(api, scenario)


def test_a_right_in_one_namespace_doesnt_suffice_for_a_simulation() -> None:
    api = an_api()
    api.may["root"] = everywhere(*(EVERYTHING | SIMULATED) - {"deployments"}) | {("deployments", "treasury")}

    async def scenario(asked: Asked) -> None:
        answer = await asked(REVOKED, "admin-token")
        assert answer.status == 403
        assert "<code>Deployment</code>" in await answer.text()

    visit(api, scenario)


def test_a_team_sees_why_it_gets_no_simulation_and_no_name_of_another() -> None:
    async def scenario(asked: Asked) -> None:
        answer = await asked("/whatif.html", "team-token")
        text = await answer.text()
        assert answer.status == 403
        assert "<code>Namespace</code>" in text
        assert "treasury" not in text
        assert "cyberjaya-1" not in text
        assert (await asked(REVOKED, "team-token")).status == 404

    visit(an_api(), scenario)


def test_an_outcome_that_was_worked_out_for_one_user_isnt_shown_to_another_without_the_rights() -> None:
    api = an_api()
    api.may["root"] |= everywhere(*SIMULATED)
    api.users["other-token"] = {"username": "other"}
    api.may["other"] = everywhere(*EVERYTHING)

    async def scenario(asked: Asked) -> None:
        assert (await asked(REVOKED, "admin-token")).status == 200
        answer = await asked(REVOKED, "other-token")
        assert answer.status == 403
        assert "stands alone" not in await answer.text()

    visit(api, scenario)


def test_kinds_that_the_console_itself_may_not_list_are_named() -> None:
    api = an_api()
    api.may["root"] |= everywhere(*SIMULATED)

    async def scenario(asked: Asked) -> None:
        answer = await asked(REVOKED, "admin-token")
        text = await answer.text()
        assert answer.status == 403
        assert "<code>Deployment</code>" in text
        assert "The console couldn&#39;t list them" in text

    visit(api, scenario, facts=Incomplete({"Deployment": "forbidden"}))


def test_a_page_of_another_site_starts_no_simulation() -> None:
    api = an_api()
    api.may["root"] |= everywhere(*SIMULATED)

    async def scenario(asked: Asked) -> None:
        for site in ("cross-site", "same-site"):
            text = await (await asked(REVOKED, "admin-token", headers={"Sec-Fetch-Site": site})).text()
            assert "No simulation is started for other sites" in text
            assert "stands alone" not in text
        assert "stands alone" in await (await asked(REVOKED, "admin-token", headers={"Sec-Fetch-Site": "none"})).text()

    visit(api, scenario)


def test_no_outcome_is_shown_where_the_api_server_cant_say_what_a_user_may_list() -> None:
    api = an_api()
    api.may["root"] |= everywhere(*SIMULATED)
    answered = api.request

    async def partly(method: str, path: str, body: Any = None) -> dict[str, Any]:
        if (body["spec"].get("resourceAttributes") or {}).get("resource") == "deployments":
            raise NoAnswer("no route to host")
        return await answered(method, path, body)

    api.request = partly  # type: ignore[method-assign]

    async def scenario(asked: Asked) -> None:
        assert (await asked("/models.html", "admin-token")).status == 200
        answer = await asked(REVOKED, "admin-token")
        assert answer.status == 503
        assert "stands alone" not in await answer.text()

    visit(api, scenario)
