"""The page asks for nothing, runs nothing, and shows what entries say as text, whatever that is."""

from __future__ import annotations

import base64
import re
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from daulat.evidence.book import Outgoing
from daulat.evidence.records import Evicted, Gap
from daulat.evidence.report.oscal import assessment_results
from daulat.evidence.report.page import page
from dev.evidence.objects import POLICY, node, policy, run, zone
from dev.evidence.site import Site
from dev.evidence.story import log

from .reports import checked, files, report, site

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><style>@import 'http://x'</style>",
    "{{ 7*7 }}{% raw %}",
    "javascript:alert(1)",
    "\u202eevil\u0000\x1b[31m\n",
    "&lt;b&gt;",
)


class Elements(HTMLParser):
    """What a browser would make of the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


PAGE = page(report(log())[0])
KNOWN = {tag for tag, _ in Elements(PAGE).found} | {"p", "br", "dl", "dt", "dd", "span"}


def hostile(text: str) -> dict[str, Any]:
    """Return the report of a log in which every text that people or programs choose is this one."""

    def record(made: Site) -> None:
        made.holds(zone("z", "MY", text or "x", "MY"), node(text or "n", "z"), node("n2", text))
        made.holds(policy("confidential", {**POLICY, "zones": {"countries": [text], text: text}}, 1, text))
        made.holds(run("pod", text or "n", "z", "MY", "2027-01-15T08:00:00Z"))
        said = {"of": "Pod", "namespace": text, "name": text, "uid": text, "reason": text, "at": text, "event": text}
        made.happened(Evicted(message=text, **said), Gap(of="Cluster", since="2027", until="2028", reason=text))
        on: dict[str, JsonValue] = {"resource": text, "name": text}
        made.append(Outgoing("AuditBatch", {}), Outgoing("Refused", {"by": text, "on": on, text: [text, {text: text}]}))

    made, _ = report(site(record))
    return made


def test_the_page_asks_for_nothing_and_runs_nothing() -> None:
    elements = Elements(PAGE).found
    tags = {tag for tag, _ in elements}
    assert not tags & {"script", "img", "link", "iframe", "object", "embed", "form", "base", "svg", "video", "audio"}
    for tag, attributes in elements:
        assert not {a for a in attributes if a.startswith("on") or a in ("src", "srcset", "style", "ping")}
        if tag == "a":
            assert re.fullmatch(r"#[a-z]+|proofs/\d+\.tlog-proof", attributes["href"] or "")


def test_the_content_security_policy_allows_its_own_style_sheet_alone() -> None:
    (style,) = re.findall(r"<style>(.*?)</style>", PAGE, re.DOTALL)
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    (allowed,) = [a["content"] for tag, a in Elements(PAGE).found if a.get("http-equiv") == "Content-Security-Policy"]
    assert allowed == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert "url(" not in style
    assert "@import" not in style


def test_the_page_is_accessible() -> None:
    elements = Elements(PAGE).found
    assert ("html", {"lang": "en"}) in elements
    assert [tag for tag, _ in elements].count("h1") == 1
    assert all(a.get("scope") in ("col", "row") for tag, a in elements if tag == "th")
    tags = [tag for tag, _ in elements]
    assert tags.count("caption") == tags.count("table") > 5
    ids = [a["id"] for _, a in elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"] for tag, a in elements if tag == "a" and str(a["href"]).startswith("#")} <= {f"#{i}" for i in ids}


def test_the_page_says_that_it_claims_no_compliance_and_what_is_not_proved() -> None:
    made, _ = report(log())
    for sentence in (*made["checked"], *made["notProved"], *made["unobserved"]):
        assert " ".join(sentence.split()) in " ".join(Elements(PAGE).text.split())


def test_hostile_text_stays_text() -> None:
    for text in HOSTILE:
        shown = Elements(page(hostile(text)))
        assert {tag for tag, _ in shown.found} <= KNOWN
        assert all(not name.startswith("on") for _, attributes in shown.found for name in attributes)
        assert not re.search(r"[\x00\x1b\u202e]", shown.text)
    assert "<script>alert(1)</script>" in Elements(page(hostile(HOSTILE[0]))).text
    assert "{{ 7*7 }}" in Elements(page(hostile(HOSTILE[3]))).text


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
@settings(max_examples=25, deadline=None)
def test_any_text_stays_text(text: str) -> None:
    made = hostile(text)
    assert {tag for tag, _ in Elements(page(made)).found} <= KNOWN
    assert_results_are_one_line(assessment_results(made))


def assert_results_are_one_line(value: object) -> None:
    if isinstance(value, dict):
        for inner in value.values():
            assert_results_are_one_line(inner)
    elif isinstance(value, list):
        for inner in value:
            assert_results_are_one_line(inner)
    else:
        assert isinstance(value, str)
        assert value.isprintable()


def test_a_log_of_hostile_text_makes_a_bundle_that_holds() -> None:
    def record(made: Site) -> None:
        made.holds(*(node(text, "") for text in HOSTILE))

    assert checked(files(site(record))).problems == []
