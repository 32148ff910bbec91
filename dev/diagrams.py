"""Draws the pictures of docs/explanation/ as SVG: steps from above to below, each with who takes it and what may end it there; and
maps, in which frames stand for what is on one side of a boundary, with what crosses it between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from textwrap import wrap

FOLDER = Path("docs/pictures")
_LEFT, _BOX, _GAP, _SIDE = 20, 400, 60, 300
_LINE, _PAD, _BETWEEN = 20, 12, 34
_LETTER = 7.6
"""The width of a letter, on average and with room to spare."""
_WIDTH = _LEFT * 2 + _BOX + _GAP + _SIDE
_STYLE = """
  .bg{fill:#ffffff} .box{fill:#eef3fb;stroke:#3b5b92} .end{fill:#fdf0ee;stroke:#a33b2a} text{font:14px sans-serif;fill:#1b1b1b}
  .who{font-weight:bold} .frame{fill:none;stroke:#777777;stroke-dasharray:6 4}
  .arrow{stroke:#555555;fill:none;stroke-width:1.5} .head{fill:#555555}
  @media (prefers-color-scheme: dark){.bg{fill:#16181d} .box{fill:#1f2a40;stroke:#8fb0ea} .end{fill:#3a2320;stroke:#e59a8c}
  text{fill:#eaeaea} .arrow{stroke:#aaaaaa} .head{fill:#aaaaaa} .frame{stroke:#999999}}
"""


@dataclass(frozen=True)
class Step:
    """One box: who acts, what happens, and what may happen instead (beside it; nothing where empty)."""

    who: str
    what: str
    instead: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture by the name of its file."""

    name: str
    title: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Frame:
    """Who and what is on one side of a boundary, and what crosses the boundary below."""

    title: str
    parts: tuple[tuple[str, str], ...]
    """A name, and what is true of it."""
    down: str = ""
    up: str = ""
    outside: bool = False
    """Whether its parts are drawn as those that aren't trusted."""


@dataclass(frozen=True)
class Map:
    """A picture of frames by the name of its file."""

    name: str
    title: str
    frames: tuple[Frame, ...]


PICTURES = (
    Picture(
        "request",
        "The life of a request for a pod",
        (
            Step("Client", "sends the pod: kubectl, a controller, KServe, a Job"),
            Step("API server", "authenticates the user and asks RBAC", "401 or 403"),
            Step("API server, pin", "adds the policy's label to the node selector if it is missing"),
            Step(
                "API server, guards",
                "evaluate the controls of each policy that governs the namespace",
                "Refused: all violations",
            ),
            Step("etcd", "stores the pod"),
            Step("Scheduler", "binds the pod to a node that has the label", "Pending: no eligible node"),
            Step("API server, bindings guard", "lets only trusted schedulers bind", "Refused: USE-15, MGD-01"),
            Step("Kubelet", "compares the node selector with its node once more", "The pod fails"),
        ),
    ),
    Picture(
        "model",
        "The life of a SovereignModel",
        (
            Step("API server", "judges the model as it is applied", "Refused: all violations"),
            Step("Operator", "evaluates the controls on the model and its pod", "PolicyCompliant is False"),
            Step("Operator", "chooses zone, accelerator and nodes", "Placed is False: see rejected nodes"),
            Step("Operator", "applies NetworkPolicies first, then the workload"),
            Step("Pods", "load and verify weights, then serve", "Ready stays False"),
            Step("Operator", "keeps the place while nodes are eligible", "Moves, or stops after the grace period"),
            Step("User", "deletes the model: its objects go, the NetworkPolicy default-deny last"),
        ),
    ),
    Picture(
        "exemption",
        "The life of a SovereigntyExemption",
        (
            Step(
                "Requester",
                "creates it in their own name, with controls, namespaces and an end",
                "Refused: GOV-02, GOV-04",
            ),
            Step("Operator", "reports Active False, NotApproved: it takes nothing away"),
            Step("Approver", "another user, with the verb approve, approves it", "Refused: one's own request"),
            Step("Operator", "compiles the policy again, without those controls there"),
            Step("API server", "admits what these controls would refuse, if it is created before the end"),
            Step("Operator", "reports ExpiringSoon before the end"),
            Step("API server", "judges in full what is created after the end, also without the operator"),
        ),
    ),
)

MAPS = (
    Map(
        "data-flow",
        "The flow of data",
        (
            Frame(
                "Users, pipelines, GitOps engines",
                (
                    ("Administrators", "policies, zones, profiles, exemptions, labels of record"),
                    ("Tenants", "models, pods and other objects of their namespaces"),
                    ("daulat check, simulate", "read manifests and policies; write nothing"),
                ),
                down="manifests, with the user's identity",
                up="refusals, warnings, statuses",
            ),
            Frame(
                "Kubernetes control plane",
                (
                    ("API server", "evaluates the admission policies on each request"),
                    ("etcd", "stores objects, and admission policies among them"),
                    ("Audit log", "requests and refusals, on the control plane's disk"),
                ),
                down="watched: nodes, pods, Daulat's kinds; no Secrets",
                up="admission policies, labels, workloads, statuses, reports",
            ),
            Frame(
                "Daulat, in its own namespace",
                (
                    ("Operator", "decides on facts in memory; keeps no state of its own"),
                    ("Reporter", "judges existing objects; keeps only results"),
                    ("Recorder", "turns changes and audit events into entries"),
                ),
                down="entries with pseudonyms, signed checkpoints",
            ),
            Frame(
                "Log",
                (
                    ("Volume or bucket", "entries as static files"),
                    ("Salts", "what names are behind pseudonyms, apart from the entries"),
                    ("Witness, auditor", "get checkpoints and entries, no access to the cluster"),
                ),
            ),
            Frame(
                "Governed nodes, beside all of this",
                (
                    ("Registry, bucket", "images and weights, by digest and signature"),
                    ("Engine", "prompts and answers stay between it and its clients"),
                    ("Clients", "connect to the model's Service or its Gateway"),
                ),
            ),
        ),
    ),
    Map(
        "trust-boundaries",
        "Trust boundaries",
        (
            Frame(
                "Not trusted",
                (
                    ("Tenants, their pods", "may send any request that RBAC allows them"),
                    ("Kubelets, nodes", "can't write labels of record; report observed facts"),
                    ("Images, weights", "count only by registry, digest and signature"),
                ),
                down="every request: authentication, RBAC, guards, controls",
                outside=True,
            ),
            Frame(
                "Trusted for one statement each",
                (
                    ("Verb certify", "where nodes stand, what an accelerator is"),
                    ("Verb govern", "the policies, and which namespaces they govern"),
                    ("Verb approve", "exemptions that another user requested"),
                    ("Authorities", "attestations, by their signature"),
                ),
                down="facts and rules, compiled into admission policies",
            ),
            Frame(
                "Trusted computing base",
                (
                    ("API server, etcd", "enforce, also while the operator is down"),
                    ("Operator", "writes the admission policies and labels"),
                    ("Schedulers", "those that a policy names may bind pods"),
                    ("Cluster admins", "can change all of it, which leaves traces"),
                ),
                down="signed checkpoints and entries, which can't be changed unnoticed",
            ),
            Frame(
                "Outside, to verify",
                (
                    ("Witness", "cosigns a log, and refuses a second history"),
                    ("Auditor", "verifies entries, signatures and proofs offline"),
                ),
            ),
        ),
    ),
)


def written() -> dict[Path, str]:
    """Return each picture by its path."""
    return {FOLDER / f"{p.name}.svg": _drawn(p) for p in PICTURES} | {
        FOLDER / f"{m.name}.svg": _mapped(m) for m in MAPS
    }


def _drawn(picture: Picture) -> str:
    y, parts = _LEFT, list[str]()
    for number, step in enumerate(picture.steps):
        lines = wrap(step.what, 52)
        height = _PAD * 2 + _LINE * (len(lines) + 1)
        if number:
            parts.append(_arrow(_LEFT + _BOX // 2, y - _BETWEEN, _LEFT + _BOX // 2, y))
        parts += [_box("box", _LEFT, y, _BOX, height), *_texts(_LEFT + _PAD, y + _PAD, [step.who, *lines], bold=True)]
        if step.instead:
            middle, said = y + height // 2, wrap(step.instead, 36)
            side, tall = _LEFT + _BOX + _GAP, _PAD + _LINE * len(said)
            parts += [
                _arrow(_LEFT + _BOX, middle, side, middle),
                _box("end", side, middle - tall // 2, _SIDE, tall),
                *_texts(side + _PAD, middle - tall // 2 + _PAD // 2, said),
            ]
        y += height + _BETWEEN
    told = "; ".join(f"{s.who} {s.what}" + (f" (or: {s.instead})" if s.instead else "") for s in picture.steps)
    return _svg(picture.title, told, y - _BETWEEN + _LEFT, parts)


def _mapped(picture: Map) -> str:
    y, drawn = _LEFT, list[str]()
    for frame in picture.frames:
        wide = (_WIDTH - 2 * _LEFT - _PAD) // len(frame.parts) - _PAD
        texts = [[name, *wrap(what, int((wide - _PAD) / _LETTER))] for name, what in frame.parts]
        tall = _PAD * 2 + _LINE * max(map(len, texts))
        height = tall + _LINE + 3 * _PAD
        drawn += [_box("frame", _LEFT, y, _WIDTH - 2 * _LEFT, height)]
        drawn += _texts(_LEFT + _PAD, y + _PAD // 2, [frame.title], bold=True)
        for number, lines in enumerate(texts):
            x, top = _LEFT + _PAD + number * (wide + _PAD), y + _LINE + 2 * _PAD
            drawn += [_box("end" if frame.outside else "box", x, top, wide, tall)]
            drawn += _texts(x + _PAD, top + _PAD, lines, bold=True)
        y += height
        y = _crossing(frame, y, drawn)
    told = ". ".join(
        f"{f.title}: {'; '.join(f'{n}: {w}' for n, w in f.parts)}"
        + (f". Crosses the boundary below: {'; '.join(t for t in (f.down, f.up) if t)}" if f.down else "")
        for f in picture.frames
    )
    return _svg(picture.title, told, y - _LINE + _LEFT, drawn)


def _crossing(frame: Frame, y: int, drawn: list[str]) -> int:
    """Draw what crosses the boundary below a frame, and return where the next one begins."""
    if not frame.down:
        return y + _LINE
    below, x = y + _BETWEEN + _LINE * bool(frame.up), _LEFT + 2 * _PAD
    drawn += [_arrow(x, y, x, below), *_texts(x + _PAD, y + _PAD // 2, [frame.down])]
    if frame.up:
        drawn += [_arrow(x + 3 * _PAD, below, x + 3 * _PAD, y + _LINE + _PAD // 2)]
        drawn += _texts(x + 4 * _PAD, y + _PAD // 2 + _LINE, [frame.up])
    return below


def _svg(title: str, told: str, high: int, parts: Sequence[str]) -> str:
    return "\n".join(
        [
            '<!-- Generated by "make generate" from dev/diagrams.py; do not edit. -->',
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {high}" width="{_WIDTH}" height="{high}" role="img"'
            f' aria-labelledby="title desc">',
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="desc">{escape(told)}</desc>',
            f"<style>{_STYLE}</style>",
            f'<rect class="bg" width="{_WIDTH}" height="{high}"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _box(kind: str, x: int, y: int, wide: int, high: int) -> str:
    return f'<rect class="{kind}" x="{x}" y="{y}" width="{wide}" height="{high}" rx="6"/>'


def _texts(x: int, y: int, lines: Sequence[str], *, bold: bool = False) -> list[str]:
    kinds = [' class="who"' if bold and not n else "" for n in range(len(lines))]
    return [
        f'<text{kind} x="{x}" y="{y + 15 + n * _LINE}">{escape(line)}</text>'
        for n, (kind, line) in enumerate(zip(kinds, lines, strict=True))
    ]


def _arrow(x: int, y: int, to_x: int, to_y: int) -> str:
    line = f'<path class="arrow" d="M{x} {y}L{to_x} {to_y}"/>'
    back = -9 if to_y >= y else 9
    points = (
        f"{to_x},{to_y} {to_x - 5},{to_y + back} {to_x + 5},{to_y + back}"
        if x == to_x
        else f"{to_x},{to_y} {to_x - 9},{to_y - 5} {to_x - 9},{to_y + 5}"
    )
    return f'{line}<polygon class="head" points="{points}"/>'
