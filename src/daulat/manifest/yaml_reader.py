"""Reads one YAML document as kubectl does, or says what is wrong and where.

libyaml's events are read rather than a loader used: a loader of PyYAML takes the last of two equal keys, knows no position of
a value, ends the process on deep nesting (its C code recurses) and follows aliases however often they multiply.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from .paths import Path
from .scalars import as_key, resolve, tagged

MAX_DEPTH = 200
"""Levels of nesting. Kubernetes' own objects have fewer than 30."""
MAX_ALIASED = 100_000
"""Values that aliases may repeat in one document, each counted as often as it is repeated."""
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MERGE = "<<"


@dataclass(frozen=True)
class Flaw:
    """An error in a document. ``offset`` counts characters from its start."""

    offset: int
    message: str


@dataclass
class Reading:
    """What was read. The value must not be used if there are flaws."""

    value: Any = None
    flaws: list[Flaw] = field(default_factory=list)
    offsets: dict[Path, int] = field(default_factory=dict)
    """The offset of each value: of its key in a mapping, of itself in a sequence."""


@dataclass
class _Frame:
    """A mapping or sequence that is being read."""

    container: Any
    anchor: str | None
    offset: int
    size: int = 1
    key: str | None = None
    key_offset: int = 0
    merging: bool = False
    own: set[str] = field(default_factory=set)


class _Fatal(Exception):
    """The document can't be read on."""

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw.message)
        self.flaw = flaw


def read(text: str, positions: bool = False) -> Reading:
    """Return what one document holds, with the offset of every value if ``positions`` is set. An empty document is None."""
    reader = _Reader(positions)
    try:
        for event in _events(text):
            reader.take(event)
    except _Fatal as error:
        reader.result.flaws.append(error.flaw)
    return reader.result


def _events(text: str) -> Iterator[Any]:
    try:
        yield from yaml.parse(text, Loader=_LOADER)
    except yaml.reader.ReaderError as error:
        # libyaml gives the position only as text.
        where = error.position if isinstance(error.position, int) else 0
        raise _Fatal(Flaw(where, f"character {_character(error.character)} isn't allowed in YAML")) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark if error.problem_mark is not None else error.context_mark
        message = " ".join(str(part) for part in (error.context, error.problem) if part)
        raise _Fatal(Flaw(mark.index if mark is not None else 0, message)) from error
    except (yaml.YAMLError, UnicodeError, ValueError) as error:
        raise _Fatal(Flaw(0, " ".join(str(error).split()))) from error


def _character(value: Any) -> str:
    return f"U+{value:04X}" if isinstance(value, int) else repr(value)


class _Reader:
    """Builds the value from events, without recursion."""

    def __init__(self, positions: bool) -> None:
        self.result = Reading()
        self._positions = positions
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int] | None] = {}
        self._aliased = 0
        self._documents = 0

    def take(self, event: Any) -> None:
        """Take the next event."""
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._open({} if isinstance(event, yaml.MappingStartEvent) else [], event)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self._close()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                message = "a second document starts here, which kubectl ignores: put a line --- before it"
                offset: int = getattr(event.start_mark, "index", 0)
                raise _Fatal(Flaw(offset, message))

    def _scalar(self, event: Any) -> None:
        offset = event.start_mark.index
        frame = self._stack[-1] if self._stack else None
        wants_key = frame is not None and isinstance(frame.container, dict) and frame.key is None
        if wants_key and event.value == _MERGE and event.tag is None and event.implicit[0]:
            self._key(_MERGE, offset, merging=True)
            return
        try:
            value = _value(event)
            if wants_key:
                self._key(as_key(value), offset)
                return
        except ValueError as error:
            self.result.flaws.append(Flaw(offset, str(error)))
            value = None
            if wants_key:
                self._key(event.value, offset)
                return
        self._put(value, 1, event.anchor, offset)

    def _open(self, container: Any, event: Any) -> None:
        offset = event.start_mark.index
        if len(self._stack) >= MAX_DEPTH:
            raise _Fatal(Flaw(offset, f"exceeds the maximum depth of {MAX_DEPTH} levels"))
        frame = self._stack[-1] if self._stack else None
        if frame is not None and isinstance(frame.container, dict) and frame.key is None:
            raise _Fatal(Flaw(offset, "invalid key: must be a scalar, not a mapping or a list"))
        if event.anchor:
            self._anchors[event.anchor] = None
        if frame is not None:
            self._mark(frame, offset)
        self._stack.append(_Frame(container, event.anchor, offset))

    def _close(self) -> None:
        frame = self._stack.pop()
        self._put(frame.container, frame.size, frame.anchor, frame.offset, marked=True)

    def _alias(self, event: Any) -> None:
        offset = event.start_mark.index
        if event.anchor not in self._anchors:
            raise _Fatal(Flaw(offset, f'unknown anchor "{event.anchor}"'))
        known = self._anchors[event.anchor]
        if known is None:
            raise _Fatal(Flaw(offset, f'anchor "{event.anchor}" contains itself'))
        value, size = known
        self._aliased += size
        if self._aliased > MAX_ALIASED:
            raise _Fatal(Flaw(offset, f"excessive aliasing: more than {MAX_ALIASED:,} values"))
        frame = self._stack[-1] if self._stack else None
        if frame is not None and isinstance(frame.container, dict) and frame.key is None:
            if isinstance(value, dict | list) or value is None:
                raise _Fatal(Flaw(offset, "invalid key: must be a scalar, not a mapping, a list or null"))
            self._key(as_key(value), offset)
            return
        self._put(value, size, None, offset)

    def _key(self, key: str, offset: int, merging: bool = False) -> None:
        frame = self._stack[-1]
        if not merging and key in frame.own:
            self.result.flaws.append(Flaw(offset, f'duplicate key "{key}"'))
        if not merging:
            frame.own.add(key)
        frame.key, frame.key_offset, frame.merging = key, offset, merging

    def _put(self, value: Any, size: int, anchor: str | None, offset: int, marked: bool = False) -> None:
        if anchor:
            self._anchors[anchor] = (value, size)
        if not self._stack:
            self.result.value = value
            return
        frame = self._stack[-1]
        frame.size += size
        if not marked:
            self._mark(frame, offset)
        if isinstance(frame.container, list):
            frame.container.append(value)
        elif frame.merging:
            self._merge(frame, value)
        else:
            frame.container[frame.key] = value
        frame.key = None

    def _merge(self, frame: _Frame, value: Any) -> None:
        sources = value if isinstance(value, list) else [value]
        for source in reversed(sources):
            if not isinstance(source, dict):
                self.result.flaws.append(Flaw(frame.key_offset, "<< requires a mapping or a list of mappings"))
                continue
            for key, item in source.items():
                if key in frame.own:
                    # yaml.v2 takes the merged value here, other parsers the one that was set before.
                    message = f'ambiguous key "{key}": set before << and merged by it; put << first'
                    self.result.flaws.append(Flaw(frame.key_offset, message))
                frame.container[key] = item

    def _mark(self, frame: _Frame, offset: int) -> None:
        if not self._positions:
            return
        path = tuple(str(f.key) if isinstance(f.container, dict) else len(f.container) for f in self._stack)
        self.result.offsets[path] = frame.key_offset if isinstance(frame.container, dict) else offset


def _value(event: Any) -> Any:
    """Return a scalar's value. Raises ValueError where it has none in JSON."""
    if event.tag is None:
        return resolve(event.value) if event.implicit[0] else event.value
    return tagged(event.tag, event.value)
