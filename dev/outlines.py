"""Writes the outlines and names of countries that the console ships, from Natural Earth (world-atlas) and Unicode CLDR.

Run by hand when a source has a new release: ``python -m dev.outlines WORLD_ATLAS CLDR_CORE CLDR_LOCALENAMES``, each the unpacked
folder of an npm package (world-atlas 2.0.2, cldr-core and cldr-localenames-full 48). A checkout needs none of them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from daulat.catalog import countries

TARGET = Path(__file__).parents[1] / "src/daulat/console/data"
DECIMALS = 1
"""Of a degree, about 11 km: less than a pixel of a map of the world that is 1,000 pixels wide."""
WITHOUT_NUMBER = {"Kosovo": "XK", "N. Cyprus": "", "Somaliland": ""}
"""Countries to which ISO 3166-1 gives no number, by Natural Earth's name; empty for outlines without a code."""
Point = tuple[float, float]
Ring = list[Point]


def main(atlas: Path, core: Path, names: Path) -> None:
    """Write both files."""
    codes = _codes(_json(core / "supplemental/codeMappings.json"))
    drawn = dict(_countries(_json(atlas / "countries-110m.json"), codes))
    # The coarse outlines lack small countries, such as Singapore. These get a point, from finer ones.
    fine = dict(_countries(_json(atlas / "countries-50m.json"), codes))
    features = [_feature(key, "MultiPolygon", [[ring] for ring in rings]) for key, rings in sorted(drawn.items())]
    features += [
        _feature(key, "Point", _middle(max(fine[key], key=_area))) for key in sorted(fine.keys() - drawn.keys())
    ]
    _write(
        TARGET / "outlines.json",
        {
            "type": "FeatureCollection",
            "source": "Natural Earth (public domain), by world-atlas 2.0.2 (ISC): 1:110m, and points from 1:50m",
            "features": features,
        },
    )
    english, malay = (
        _json(names / f"main/{language}/territories.json")["main"][language]["localeDisplayNames"]["territories"]
        for language in ("en", "ms")
    )
    _write(
        TARGET / "countries.json",
        {
            "source": "Unicode CLDR 48 (Unicode License V3)",
            "names": {code: {"en": english[code], "ms": malay.get(code, english[code])} for code in countries.codes()},
        },
    )


def _codes(mappings: Any) -> dict[str, str]:
    # Former codes, such as ZR, have the number of the present one.
    found = mappings["supplemental"]["codeMappings"]
    return {found[code]["_numeric"]: code for code in countries.codes() if "_numeric" in found.get(code, {})}


def _countries(topology: Any, codes: dict[str, str]) -> Iterator[tuple[str, list[Ring]]]:
    arcs = [_decoded(arc, topology["transform"]) for arc in topology["arcs"]]
    for geometry in topology["objects"]["countries"]["geometries"]:
        name = geometry["properties"]["name"]
        code = codes.get(geometry.get("id", ""), "") or WITHOUT_NUMBER.get(name, "")
        polygons = geometry["arcs"] if geometry["type"] == "MultiPolygon" else [geometry["arcs"]]
        rings = [_ring(polygon[0], arcs) for polygon in polygons]
        # Islands below the precision shrink to a line.
        rings = [ring for ring in rings if len(set(ring)) > 2] or rings
        yield code or f"-{name}", rings


def _decoded(arc: Any, transform: Any) -> Ring:
    (scale_x, scale_y), (left, top), x, y, found = transform["scale"], transform["translate"], 0, 0, []
    for dx, dy in arc:
        x, y = x + dx, y + dy
        found.append((round(x * scale_x + left, DECIMALS), round(y * scale_y + top, DECIMALS)))
    return found


def _ring(indices: Any, arcs: list[Ring]) -> Ring:
    found: Ring = []
    for index in indices:
        for point in arcs[index] if index >= 0 else arcs[~index][::-1]:
            if not found or found[-1] != point:
                found.append(point)
    return found


def _area(ring: Ring) -> float:
    return abs(sum(a * d - b * c for (a, b), (c, d) in zip(ring, ring[1:] + ring[:1], strict=True))) / 2


def _middle(ring: Ring) -> Point:
    xs, ys = zip(*ring, strict=True)
    return (round((min(xs) + max(xs)) / 2, DECIMALS), round((min(ys) + max(ys)) / 2, DECIMALS))


def _feature(key: str, kind: str, coordinates: Any) -> dict[str, Any]:
    code = {} if key.startswith("-") else {"id": key}
    return {"type": "Feature", **code, "properties": {}, "geometry": {"type": kind, "coordinates": coordinates}}


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
