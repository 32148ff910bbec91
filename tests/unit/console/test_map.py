"""Outlines are read or refused, zones are placed by UN/LOCODE or country, and the map shows every mark."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daulat.catalog.countries import codes
from daulat.console.outlines import Outlines, OutlinesError, centroid, parse, shipped
from daulat.console.worldmap import ASPECT, Place, draw, located

from .worlds import busy, page, site


def collection(*features: Any) -> str:
    return json.dumps({"type": "FeatureCollection", "features": features})


def feature(id_: str | None, kind: str, coordinates: Any) -> dict[str, Any]:
    return {"type": "Feature", **({"id": id_} if id_ else {}), "geometry": {"type": kind, "coordinates": coordinates}}


SQUARE = [[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]


def test_a_polygon_is_drawn_and_its_country_is_placed_in_its_middle() -> None:
    found = parse(collection(feature("MY", "Polygon", [SQUARE])))
    assert found.places["MY"] == pytest.approx((1, 1))
    assert len(found.rings) == 1


def test_of_several_polygons_the_largest_has_the_mark() -> None:
    island = [[50, 50], [51, 50], [51, 51], [50, 50]]
    found = parse(collection(feature("MY", "MultiPolygon", [[island], [SQUARE]])))
    assert found.places["MY"] == pytest.approx((1, 1))
    assert len(found.rings) == 2


def test_a_point_places_a_mark_and_an_area_without_an_id_is_only_drawn() -> None:
    found = parse(collection(feature("MYCBJ", "Point", [101.65, 2.92]), feature(None, "Polygon", [SQUARE])))
    assert found.places == {"MYCBJ": (101.65, 2.92)}
    assert len(found.rings) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"features": 7}',
        collection({"geometry": None}),
        collection(feature("MY", "LineString", [[0, 0], [1, 1]])),
        collection(feature("MY", "Point", [181, 0])),
        collection(feature("MY", "Point", ["a", 0])),
        collection(feature("MY", "Polygon", [])),
        collection(feature("MY", "Polygon", [[]])),
        collection(feature("MY", "Point", [float("nan"), 0])),
        "[" * 100_000,
    ],
)
def test_what_isnt_geojson_of_areas_and_points_is_refused(text: str) -> None:
    with pytest.raises(OutlinesError):
        parse(text)


def test_the_shipped_outlines_place_nearly_every_country() -> None:
    # Those that Natural Earth draws as a part of another country, or not at all at 1:50m.
    without = set(codes()) - set(shipped().places)
    assert without == {"BQ", "BV", "CC", "CX", "GF", "GI", "GP", "MQ", "RE", "SJ", "TK", "TV", "UM", "YT"}


@pytest.mark.parametrize(
    ("code", "longitude", "latitude"), [("MY", 114, 3.5), ("SG", 103.8, 1.3), ("DE", 10.3, 51.1), ("CD", 23.6, -2.9)]
)
def test_countries_are_where_they_are(code: str, longitude: float, latitude: float) -> None:
    assert shipped().places[code] == pytest.approx((longitude, latitude), abs=1.5)


def test_a_zone_is_placed_by_its_un_locode_where_the_outlines_have_it_and_by_its_country_otherwise() -> None:
    outlines = Outlines((), {"MY": (114, 3), "MYCBJ": (101.65, 2.92)})
    assert located("MY", "MYCBJ", outlines) == "MYCBJ"
    assert located("MY", "MYJHB", outlines) == "MY"
    assert located("SG", None, outlines) == ""


def test_zones_without_a_place_are_named_below_the_map() -> None:
    outlines = parse(collection(feature("MY", "Polygon", [SQUARE])))
    assert "lack their place: singapore-1" in page(site(busy(), outlines=outlines), "zones.html").text


def test_without_places_there_is_no_map() -> None:
    assert draw([], shipped()) is None
    assert "svg" not in [tag for tag, _ in page(site(busy(), outlines=Outlines((), {})), "zones.html").elements]


@given(st.lists(st.tuples(st.floats(-180, 180), st.floats(-90, 90)), min_size=1, max_size=5))
def test_every_mark_is_on_the_map_and_the_map_within_the_world(points: list[tuple[float, float]]) -> None:
    outlines = Outlines((), {str(n): point for n, point in enumerate(points)})
    found = draw([Place(key, "MY", 1, 0) for key in outlines.places], outlines)
    assert found is not None
    slack = 0.02
    assert found.width == pytest.approx(found.height * ASPECT, abs=slack)
    assert found.left >= -180 - slack
    assert found.left + found.width <= 180 + slack
    for mark in found.marks:
        assert found.left - slack <= mark.x <= found.left + found.width + slack
        assert found.top - slack <= mark.y <= found.top + found.height + slack


def test_the_middle_of_a_line_is_the_mean_of_its_corners() -> None:
    assert centroid(((0, 0), (4, 0), (2, 0))) == (2, 0)
