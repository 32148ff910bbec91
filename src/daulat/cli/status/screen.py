"""Draws the summary on a terminal: what needs attention, then a bounded table of each kind, then the next command."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from daulat.api.counted import counted
from daulat.status.view import (
    Attention,
    ExemptionRow,
    ModelRow,
    PolicyRow,
    Severity,
    State,
    View,
    ZoneRow,
    ready,
)

from ..text import printable
from .output import attention_counts

MOST = 10
"""Rows of a table where nothing says how high the terminal is."""
FEWEST = 3
FIXED = 26
"""Lines of the screen that aren't rows: titles, headings, blank lines, and what a finding says."""
SECTIONS = 5
MESSAGE_LINES = 2
"""Lines of a finding's message."""
INDENT = 4
"""Columns before it."""
_COLOURS = {State.FAILED: "red", State.UNKNOWN: "yellow", State.PROGRESSING: "cyan", State.READY: "green"}
_SEVERITIES = {Severity.FAILURE: "red", Severity.WARNING: "yellow"}


def rows_for(height: int) -> int:
    """Return how many rows of each table make one screen of so many lines."""
    return min(max((height - FIXED) // SECTIONS, FEWEST), MOST)


def screen(view: View, width: int, most: int | None, all_rows: str) -> Group:
    """Return the summary. ``most`` is how many rows each table has at most (None: all), ``width`` the columns.

    ``all_rows`` is the command that shows every row.
    """
    parts: list[RenderableType] = [*_installation(view), *_attention(view, width, most, all_rows)]
    where = f" in namespace {printable(view.namespace)}" if view.namespace else ""
    for title, kind, columns, rows, total in (
        ("Policies", "SovereigntyPolicy", _POLICIES, [_policy(r) for r in view.policies[:most]], view.policies),
        ("Zones", "SovereignZone", _ZONES, [_zone(r) for r in view.zones[:most]], view.zones),
        (f"Models{where}", "SovereignModel", _MODELS, [_model(r) for r in view.models[:most]], view.models),
    ):
        if not _unread(view, kind):
            parts += _table(f"{title}  {ready(total)} of {len(total)} ready", columns, rows, len(total), all_rows)
    if not _unread(view, "SovereigntyExemption"):
        active = sum(row.active for row in view.exemptions)
        soon = sum(row.expiring_soon for row in view.exemptions)
        title = f"Exemptions  {active} in force" + (f", {soon} ending soon" if soon else "")
        shown = [_exemption(row) for row in view.exemptions[:most]]
        parts += _table(title, _EXEMPTIONS, shown, len(view.exemptions), all_rows)
    parts += _not_read(view)
    if view.attention:
        parts += [Text(), Text.assemble(("Next: ", "bold"), printable(view.attention[0].command))]
    return Group(*parts)


def console(width: int | None, *, terminal: bool, colour: bool) -> Console:
    """Return what writes the summary to standard output; ``width`` None: the terminal's at each time.

    Nothing in a string is markup, an emoji or a number to highlight.
    """
    return Console(
        width=width,
        force_terminal=terminal,
        no_color=not colour,
        color_system="standard" if terminal else None,
        markup=False,
        highlight=False,
        emoji=False,
    )


def written(what: Group, on: Console) -> str:
    """Return what the console would write, without blanks at the ends of lines."""
    with on.capture() as captured:
        on.print(what)
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def _installation(view: View) -> list[RenderableType]:
    operator, definitions = view.operator, view.definitions
    head = Text.assemble(
        (f"Daulat on Kubernetes {printable(view.kubernetes_version)}", "bold"), f", pods pinned by {view.pin}"
    )
    if operator.leading is None:
        leads = Text("unknown", "yellow")
    elif operator.leading:
        leads = Text.assemble(("leading", "green"), f", {printable(operator.holder)} renewed {operator.lease} ")
        leads.append(f"{operator.seconds_since_renewal or 0:.0f} s ago")
    else:
        leads = Text("no replica leads", "red")
    if definitions.current is None:
        crds = Text("unknown", "yellow")
    elif definitions.current:
        crds = Text("current", "green")
    else:
        bad = len({*definitions.missing, *definitions.outdated, *definitions.newer})
        crds = Text(f"{counted(bad, 'kind differs', 'kinds differ')} from this release", "yellow")
    return [head, _cut(Text("Operator  ") + leads), Text("CRDs      ") + crds]


def _attention(view: View, width: int, most: int | None, all_rows: str) -> list[RenderableType]:
    if not view.attention:
        known = " in what could be read" if view.unread else ""
        return [Text(), Text(f"Nothing needs attention{known}", "bold green")]
    parts: list[RenderableType] = [Text(), Text(f"Needs attention  {attention_counts(view)}", "bold")]
    for each in view.attention[:most]:
        parts.append(_finding(each))
        # A message of a condition has up to 1024 characters.
        lines = None if most is None else MESSAGE_LINES
        wrapped = textwrap.wrap(printable(each.message), width - INDENT, max_lines=lines, placeholder="...")
        parts += [Padding(Text(part, overflow="fold"), (0, 0, 0, INDENT), expand=False) for part in wrapped]
    more = len(view.attention) - len(view.attention[:most])
    return [*parts, *_more(more, all_rows)]


def _finding(each: Attention) -> Text:
    return _cut(
        Text.assemble(
            (f"  {each.severity:<8}", _SEVERITIES[each.severity]), f" {printable(each.title)}  {printable(each.reason)}"
        )
    )


_POLICIES = ("NAME", "ACTION", "ENFORCED", "COMPILED", "UPHELD", "NAMESPACES", "NODES", "REASON")
_ZONES = ("NAME", "COUNTRY", "OPERATOR", "NODES", "FREE/DEVICES", "REASON")
_MODELS = ("NAMESPACE", "NAME", "READY", "ZONE", "ACCELERATOR", "REASON")
_EXEMPTIONS = ("NAME", "POLICY", "CONTROLS", "NAMESPACES", "LEFT", "REASON")
_RIGHT = frozenset(("NODES", "FREE/DEVICES", "LEFT"))
_WHOLE = frozenset(("ACTION", "ENFORCED", "COMPILED", "UPHELD", "COUNTRY", "NODES", "FREE/DEVICES", "READY", "LEFT"))
"""Columns that are never cut: their values are short."""


def _policy(row: PolicyRow) -> Sequence[Text]:
    names = ",".join(row.governed_namespaces)
    more = (row.namespaces or 0) - len(row.governed_namespaces)
    namespaces = f"{_number(row.namespaces)}" + (f" {names}" if names else "") + (",..." if names and more > 0 else "")
    return (
        _text(row.name),
        _text(row.action),
        *(_value(value) for value in (row.enforced, row.compiled, row.upheld)),
        _text(namespaces),
        _text(_number(row.eligible_nodes)),
        _reason(row.state, row.reason),
    )


def _zone(row: ZoneRow) -> Sequence[Text]:
    conflicts = f" (+{row.conflicting_nodes} in conflict)" if row.conflicting_nodes else ""
    return (
        _text(row.name),
        _text(row.country),
        _text(row.operator),
        _text(_number(row.nodes) + conflicts),
        _text(f"{_number(row.free_devices)}/{_number(row.devices)}"),
        _reason(row.state, row.reason),
    )


def _model(row: ModelRow) -> Sequence[Text]:
    return (
        _text(row.namespace),
        _text(row.name),
        _text(f"{row.ready_replicas}/{_number(row.replicas)}"),
        _text(row.zone or "-"),
        _text(row.accelerator or "-"),
        _reason(row.state, row.reason),
    )


def _exemption(row: ExemptionRow) -> Sequence[Text]:
    state = State.READY if row.active and not row.expiring_soon else State.UNKNOWN
    return (
        _text(row.name),
        _text(row.policy),
        _text(",".join(row.controls)),
        _text(",".join(row.namespaces)),
        _text(duration(row.seconds_left)),
        _reason(state, "EndsSoon" if row.active and row.expiring_soon else row.reason),
    )


def duration(seconds: float) -> str:
    """Return a time as kubectl writes ages: its largest unit, and the next one while the number is small."""
    for unit, size, inner, inner_size in (("d", 86400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        whole, rest = divmod(int(seconds), size)
        if whole:
            part = rest // inner_size
            return f"{whole}{unit}{part}{inner}" if whole < 10 and part else f"{whole}{unit}"
    return f"{int(seconds)}s"


def _table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[Text]], total: int, all_rows: str
) -> list[RenderableType]:
    parts: list[RenderableType] = [Text(), Text(title, "bold")]
    if rows:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for name in columns:
            # Rich cuts the widest columns that may wrap. The cells themselves don't wrap, so they are cut to one line.
            heading = Text(name, no_wrap=True, overflow="ellipsis")
            table.add_column(heading, no_wrap=name in _WHOLE, justify="right" if name in _RIGHT else "left")
        for row in rows:
            table.add_row(*row)
        parts.append(Padding(table, (0, 0, 0, 2), expand=False))
    return [*parts, *_more(total - len(rows), all_rows)]


def _more(number: int, all_rows: str) -> list[RenderableType]:
    return [Text(f"  {number} more: {printable(all_rows)}", "dim")] if number > 0 else []


def _not_read(view: View) -> list[RenderableType]:
    if not view.unread:
        return []
    parts: list[RenderableType] = [Text(), Text("Not read", "bold yellow")]
    for unknown in dict.fromkeys(each.unknown for each in view.unread):
        of = [each for each in view.unread if each.unknown == unknown]
        why = "; ".join(f"{each.kind} {printable(each.why)}" for each in of)
        parts.append(Text(f"  {unknown}: {why}", overflow="fold"))
    return parts


def _unread(view: View, kind: str) -> bool:
    return any(each.kind == kind for each in view.unread)


def _text(text: str) -> Text:
    return Text(printable(text), no_wrap=True, overflow="ellipsis")


def _value(value: str) -> Text:
    return Text(printable(value), {"True": "green", "False": "red"}.get(value, "yellow"))


def _reason(state: State, reason: str) -> Text:
    return Text(printable(reason), _COLOURS[state], no_wrap=True, overflow="ellipsis")


def _number(number: int | None) -> str:
    return "-" if number is None else str(number)


def _cut(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
