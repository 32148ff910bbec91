"""Draws what a change does as an SVG: where each model that changes stands before and after it, zones, and pods that end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from daulat.api.counted import counted
from daulat.simulate.compare import ModelChange, Outcome
from daulat.simulate.standing import ModelStanding, Place

from ..text import printable
from .output import MOST, duration

WIDTH, ROW, LEFT = 1000, 26, 24
NAME, BEFORE, AFTER, WHAT = LEFT, 280, 560, 840
"""Where the columns begin, in units of the drawing, as the widths do."""
CHARACTER = 7.9
"""The width of a character on average; names are cut to what fits their column."""
STYLE = """
svg { background: #fff; font: 14px system-ui, sans-serif }
text { fill: #1f2328 } .title { font-size: 18px; font-weight: 600 } .head { font-weight: 600 } .quiet { fill: #59636e }
.bad { fill: #b42318 } .good { fill: #116329 } .was { fill: #8c959f } .worse { fill: #d1453b } .better { fill: #2da44e }
line { stroke: #d0d7de } path { fill: none; stroke: #59636e; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
svg { background: #0d1117 } text { fill: #e6edf3 } .quiet { fill: #9ea7b3 } .bad { fill: #ff8b80 } .good { fill: #56d364 }
.was { fill: #6e7681 } line { stroke: #30363d } path { stroke: #9ea7b3 }
}
"""
WITHOUT = "without a zone"


def svg(outcome: Outcome) -> str:
    """Return the picture. It shows the first entries of each part and how many more there are; JSON has all."""
    drawing = _Drawing()
    verdict = "Something gets worse" if outcome.worse else "Nothing gets worse"
    drawing.y += 34
    drawing.text(LEFT, verdict, "title bad" if outcome.worse else "title good")
    drawing.y += 24
    when = f"{counted(outcome.changes, 'change')}, simulated until {duration(outcome.seconds)} after it"
    drawing.text(LEFT, when if outcome.converged else f"{when}: something still changes then", "quiet")
    _zones(drawing, outcome.models)
    _models(drawing, outcome.models)
    _policies(drawing, outcome)
    _evictions(drawing, outcome)
    ended = counted(sum(each.pods for each in outcome.evictions), "running pod ends", "running pods end")
    changed = counted(len(outcome.models), "model changes", "models change")
    return drawing.finished(verdict, f"{when}. {changed}, {ended}, {len(outcome.waiting)} find no node.")


class _Drawing:
    """An SVG that grows downwards."""

    def __init__(self) -> None:
        self._root = ET.Element("svg", xmlns="http://www.w3.org/2000/svg", role="img")
        self._root.set("aria-labelledby", "title desc")
        self.y = 0.0

    def text(self, x: float, text: str, style: str = "", until: float = WIDTH - LEFT) -> None:
        """Write a text at the current height, cut to end before ``until``; the whole of it is its title then."""
        text = printable(text)
        element = ET.SubElement(self._root, "text", x=f"{x:g}", y=f"{self.y:g}")
        if style:
            element.set("class", style)
        most = int((until - x) / CHARACTER)
        if len(text) > most:
            ET.SubElement(element, "title").text = text
            element[0].tail = f"{text[: most - 1]}…"
        else:
            element.text = text

    def head(self, title: str, *columns: tuple[float, str]) -> None:
        """Begin a part."""
        self.y += 40
        self.text(LEFT, title, "head")
        for x, column in columns:
            self.text(x, column, "quiet")
        ET.SubElement(
            self._root, "line", x1=f"{LEFT}", x2=f"{WIDTH - LEFT}", y1=f"{self.y + 8:g}", y2=f"{self.y + 8:g}"
        )

    def bar(self, x: float, width: float, style: str) -> None:
        """Draw a bar in the current row."""
        ET.SubElement(
            self._root,
            "rect",
            {"x": f"{x:g}", "y": f"{self.y - 12:g}", "width": f"{width:g}", "height": "14", "rx": "2", "class": style},
        )

    def arrow(self, x: float) -> None:
        """Draw an arrow to the right in the current row."""
        y = self.y - 5
        ET.SubElement(self._root, "path", d=f"M{x:g} {y:g}h18m-5 -4l5 4l-5 4")

    def more(self, total: int) -> None:
        """Say how many entries aren't drawn."""
        if total > MOST:
            self.y += ROW
            self.text(LEFT, f"{total - MOST} more: -o json has all of them", "quiet")

    def finished(self, title: str, description: str) -> str:
        """Return the document."""
        height = self.y + 24
        self._root.set("viewBox", f"0 0 {WIDTH} {height:g}")
        self._root.set("width", str(WIDTH))
        self._root.set("height", f"{height:g}")
        for place, (tag, text) in enumerate((("title", title), ("desc", description), ("style", STYLE))):
            element = ET.Element(tag, {"id": tag} if tag != "style" else {})
            element.text = text
            self._root.insert(place, element)
        return f"{ET.tostring(self._root, encoding='unicode')}\n"


def _zones(drawing: _Drawing, models: Sequence[ModelChange]) -> None:
    before = Counter(_zone(m.before) for m in models if m.before is not None)
    after = Counter(_zone(m.after) for m in models if m.after is not None)
    names = sorted({*before, *after} - {WITHOUT}) + [WITHOUT] * (WITHOUT in {*before, *after})
    if not names:
        return
    drawing.head("Models that change, by zone", (BEFORE, "before"), (AFTER, "after"))
    scale = 180 / max(max(before.values(), default=0), max(after.values(), default=0))
    for name in names[:MOST]:
        drawing.y += ROW
        drawing.text(NAME, name, until=BEFORE)
        lost = after[name] > before[name] if name == WITHOUT else after[name] < before[name]
        for x, count, style in ((BEFORE, before[name], "was"), (AFTER, after[name], "worse" if lost else "better")):
            if count:
                drawing.bar(x, count * scale, style)
            drawing.text(x + count * scale + (6 if count else 0), str(count))
    drawing.more(len(names))


def _zone(standing: ModelStanding | None) -> str:
    runs = standing is not None and standing.place in (Place.RUNS, Place.HELD, Place.UNDECIDED)
    return standing.zone if runs and standing is not None and standing.zone else WITHOUT


def _models(drawing: _Drawing, models: Sequence[ModelChange]) -> None:
    if not models:
        return
    drawing.head("Models", (BEFORE, "before"), (AFTER, "after"))
    for each in models[:MOST]:
        drawing.y += ROW
        drawing.text(NAME, f"{each.namespace}/{each.name}", until=BEFORE)
        drawing.text(BEFORE, _place(each.before), "quiet", until=AFTER - 28)
        drawing.arrow(AFTER - 26)
        drawing.text(AFTER, _place(each.after), until=WHAT)
        drawing.text(WHAT, each.what, "bad" if each.worse else "good")
    drawing.more(len(models))


def _place(standing: ModelStanding | None) -> str:
    if standing is None:
        return "not there"
    if standing.zone and standing.place is not Place.NOWHERE:
        return f"{standing.zone}, {standing.accelerator}"
    return standing.reason or str(standing.place)


def _policies(drawing: _Drawing, outcome: Outcome) -> None:
    if not outcome.policies:
        return
    drawing.head("Policies", (BEFORE, "eligible nodes before"), (AFTER, "after"), (WHAT, "held pods"))
    for each in outcome.policies[:MOST]:
        drawing.y += ROW
        drawing.text(NAME, each.name, until=BEFORE)
        drawing.text(BEFORE, str(each.before.eligible_nodes) if each.before is not None else "not there", "quiet")
        drawing.arrow(AFTER - 26)
        style = "bad" if each.worse else "good"
        drawing.text(AFTER, str(each.after.eligible_nodes) if each.after is not None else "not there", style)
        drawing.text(WHAT, str(each.after.held) if each.after is not None else "")
    drawing.more(len(outcome.policies))


def _evictions(drawing: _Drawing, outcome: Outcome) -> None:
    if not outcome.evictions:
        return
    drawing.head("Running pods that end", (BEFORE, "pods"), (AFTER, "why"))
    scale = 150 / max(each.pods for each in outcome.evictions)
    for each in outcome.evictions[:MOST]:
        drawing.y += ROW
        drawing.text(NAME, ", ".join(each.policies) or "no policy", until=BEFORE)
        drawing.bar(BEFORE, each.pods * scale, "worse")
        drawing.text(BEFORE + each.pods * scale + 6, str(each.pods))
        drawing.text(AFTER, each.why)
    drawing.more(len(outcome.evictions))
