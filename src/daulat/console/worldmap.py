"""Lays out the map: which part of the world is shown, the land in it, and a mark for each place with zones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .outlines import Outlines, Point

ASPECT = 2.0
"""Width by height."""
NARROWEST = 60.0
"""Degrees of longitude that are shown at least, so that the surroundings can be recognised."""
MARGIN = 1.4
"""How much wider than the distance between the marks the map is."""


@dataclass(frozen=True)
class Place:
    """Zones that stand at one place."""

    key: str
    """The UN/LOCODE or the country's code that the place was found by."""
    country: str
    zones: int
    not_ready: int
    """How many of the zones aren't ready."""


@dataclass(frozen=True)
class Mark:
    """A place on the map. Coordinates are those of the drawing: degrees, with the north on top."""

    place: Place
    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Map:
    """The drawing."""

    left: float
    top: float
    width: float
    height: float
    land: str
    """The data of an SVG path."""
    marks: tuple[Mark, ...]

    @property
    def size(self) -> float:
        """The size of letters beside the marks."""
        return round(self.width / 45, 2)


def located(country: str, un_locode: str | None, outlines: Outlines) -> str:
    """Return the key of a zone's place in the outlines; empty where neither its UN/LOCODE nor its country is there."""
    return next((key for key in (un_locode or "", country) if key in outlines.places), "")


def draw(places: Iterable[Place], outlines: Outlines) -> Map | None:
    """Return the map with these places, all of which are in the outlines; None where there are no places."""
    found = [(place, outlines.places[place.key]) for place in places]
    if not found:
        return None
    left, top, width, height = _view([point for _, point in found])
    # A path with lines only: the smallest form.
    seen = (ring for ring in outlines.rings if _touches(ring, left, top, width, height))
    land = "".join("M" + " ".join(f"{x:g},{-y:g}" for x, y in ring) + "z" for ring in seen)
    marks = tuple(Mark(place, round(x, 2), round(-y, 2), round(width / 110, 3)) for place, (x, y) in found)
    return Map(round(left, 2), round(top, 2), round(width, 2), round(height, 2), land, marks)


def _view(points: list[Point]) -> tuple[float, float, float, float]:
    """Return left, top, width and height of the part around the points, within the world."""
    xs, ys = [x for x, _ in points], [-y for _, y in points]
    width = max((max(xs) - min(xs)) * MARGIN, (max(ys) - min(ys)) * MARGIN * ASPECT, NARROWEST)
    width = min(width, 360.0)
    height = width / ASPECT
    left = min(max((max(xs) + min(xs) - width) / 2, -180.0), 180.0 - width)
    top = min(max((max(ys) + min(ys) - height) / 2, -90.0), 90.0 - height)
    return left, top, width, height


def _touches(ring: tuple[Point, ...], left: float, top: float, width: float, height: float) -> bool:
    xs, ys = [x for x, _ in ring], [-y for _, y in ring]
    return max(xs) >= left and min(xs) <= left + width and max(ys) >= top and min(ys) <= top + height
