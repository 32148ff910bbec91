"""Reads outlines of countries: GeoJSON, of which users may bring their own, as borders are disputed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

Point = tuple[float, float]
"""Longitude and latitude in degrees."""


class OutlinesError(Exception):
    """The outlines can't be read. The text is the sentence for the user."""


@dataclass(frozen=True)
class Outlines:
    """What a map is drawn from."""

    rings: tuple[tuple[Point, ...], ...]
    """Closed lines around land."""
    places: Mapping[str, Point]
    """Where a mark goes, by ISO 3166-1 code or UN/LOCODE."""


def parse(text: str) -> Outlines:
    """Read a GeoJSON FeatureCollection in longitude and latitude. Raises OutlinesError.

    The ``id`` of a feature is an ISO 3166-1 alpha-2 code or a UN/LOCODE. Polygons are drawn; a Point only says where a mark goes.
    """
    try:
        found = json.loads(text)
        features = found["features"]
        rings: list[tuple[Point, ...]] = []
        places: dict[str, Point] = {}
        for feature in features:
            own, point = _geometry(feature["geometry"])
            rings += own
            if isinstance(feature.get("id"), str):
                places[feature["id"]] = point
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise OutlinesError(
            f"isn't a GeoJSON FeatureCollection of Polygon, MultiPolygon and Point features: {error!r}"
        ) from error
    return Outlines(tuple(rings), places)


@cache
def shipped() -> Outlines:
    """Return the outlines that come with Daulat: Natural Earth's, of 1:110m."""
    return parse((resources.files(__package__) / "data" / "outlines.json").read_text(encoding="utf-8"))


def _geometry(geometry: Any) -> tuple[list[tuple[Point, ...]], Point]:
    match geometry["type"]:
        case "Point":
            return [], _point(geometry["coordinates"])
        case "Polygon":
            polygons = [geometry["coordinates"]]
        case "MultiPolygon":
            polygons = geometry["coordinates"]
        case other:
            raise ValueError(f"a geometry of type {other!r}")
    rings = [tuple(map(_point, polygon[0])) for polygon in polygons]
    if not all(rings):
        raise ValueError("a ring without points")
    return rings, centroid(max(rings, key=lambda ring: abs(_doubled_area(ring))))


def _point(pair: Any) -> Point:
    longitude, latitude = float(pair[0]), float(pair[1])
    if not (math.isfinite(longitude) and abs(longitude) <= 180 and math.isfinite(latitude) and abs(latitude) <= 90):
        raise ValueError(f"{pair!r} isn't a longitude and a latitude in degrees")
    return longitude, latitude


def centroid(ring: tuple[Point, ...]) -> Point:
    """Return the centre of an area; the mean of its corners where it has none."""
    doubled = _doubled_area(ring)
    if abs(doubled) < 1e-9:
        return sum(x for x, _ in ring) / len(ring), sum(y for _, y in ring) / len(ring)
    x = y = 0.0
    for (a, b), (c, d) in zip(ring, ring[1:] + ring[:1], strict=True):
        cross = a * d - b * c
        x, y = x + (a + c) * cross, y + (b + d) * cross
    return x / (3 * doubled), y / (3 * doubled)


def _doubled_area(ring: tuple[Point, ...]) -> float:
    return sum(a * d - b * c for (a, b), (c, d) in zip(ring, ring[1:] + ring[:1], strict=True))
