"""``daulat chips import``: lists of chips become manifests, and lines that are wrong are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from daulat.api.inventory import AcceleratorInventorySpec
from daulat.cli.chips.command import chips
from daulat.cli.chips.lists import Terms, read_list
from daulat.facts.chips import ids_of

TERMS = Terms("DN-1")
ROUNDED = (
    'f:2: "1.65432E+12" is a number that a spreadsheet has rounded: format the column as text, and export it again'
)
NO_COLUMN = (
    "f:1: no column has ids of chips: call one serial, serial_number, serial_no, sn, uuid, gpu_uuid, vdie_id, chip, "
    "chip_id or id"
)


def run(text: str | bytes, *arguments: str) -> Result:
    return CliRunner().invoke(chips, ["import", "-", "--name", "h20", *arguments], input=text, catch_exceptions=False)


def manifests(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.stderr
    return list(yaml.safe_load_all(result.stdout))


def chips_in(text: str) -> list[str]:
    lots, problems = read_list(text, "f", TERMS)
    assert problems == []
    return [chip for lot in lots for chip in lot.chips]


def problems_in(text: str) -> list[str]:
    return [str(problem) for problem in read_list(text, "f", TERMS)[1]]


def test_a_list_becomes_an_inventory() -> None:
    terms = ["--permit", "STA-1", "--permit-date", "2026-02-20", "--received", "2026-03-14", "--delivery", "DN-7"]
    where = ["--zone", "my-1", "--country", "MY", "--gone-after", "24h"]
    (found,) = manifests(run("Serial No.,GPU UUID,Weight\n1654,GPU-1,2 kg\n1655,GPU-2,2 kg\n", *terms, *where))
    assert found == {
        "apiVersion": "daulat.dev/v1alpha1",
        "kind": "AcceleratorInventory",
        "metadata": {"name": "h20"},
        "spec": {
            "zones": ["my-1"],
            "countries": ["MY"],
            "goneAfter": "24h",
            "deliveries": [
                {
                    "name": "DN-7",
                    "permit": {"reference": "STA-1", "date": "2026-02-20"},
                    "received": "2026-03-14",
                    "chips": ["1654,GPU-1", "1655,GPU-2"],
                }
            ],
        },
    }


@pytest.mark.parametrize(
    "text",
    [
        "sn;uuid\n1654;GPU-1\n1655;\n",
        "sn\tuuid\r\n1654\tGPU-1\r\n1655\t\r\n",
        "\n\nsn,uuid\n\n1654,GPU-1\n,\n1655,\n",
        '"sn","uuid"\n"1654","GPU-1"\n"1655",""\n',
        "1654,GPU-1\n1655\n",
    ],
)
def test_delimiters_quotes_blank_lines_and_missing_headings_make_no_difference(text: str) -> None:
    assert chips_in(text) == ["1654,GPU-1", "1655"]


def test_a_byte_order_mark_is_no_part_of_a_heading() -> None:
    assert manifests(run("sn\n1654\n".encode("utf-8-sig")))[0]["spec"]["deliveries"][0]["chips"] == ["1654"]


def test_columns_may_say_which_delivery_and_permit() -> None:
    text = (
        "serial,delivery,permit,permit_date,received\n"
        "A11,D1,P1,2026-01-01,2026-02-01\n"
        "A12,D2,P2,2026-01-02,2026-02-02\n"
        "A13,D1,P1,2026-01-01,2026-02-01\n"
    )
    (found,) = manifests(run(text))
    first, second = found["spec"]["deliveries"]
    assert (first["name"], first["chips"], first["permit"]) == (
        "D1",
        ["A11", "A13"],
        {"reference": "P1", "date": "2026-01-01"},
    )
    assert (second["received"], second["chips"]) == ("2026-02-02", ["A12"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sn\n1654\nN/A\n", ['f:3: "N/A" is no id of a chip']),
        ("sn,uuid\n1654,GPU-1\n,\n x ,\n", ['f:4: "x" is no id of a chip']),
        ("sn,weight\n1654,1\n,2\n", ["f:3: no id"]),
        ("sn\n1654\n1654\n", ["f:3: id 1654 is in line 2 already"]),
        ("uuid\nGPU-ab1\ngpu-AB1\n", ["f:3: id gpu-AB1 is in line 2 already"]),
        (
            "sn\n1.65432E+12\n",
            [ROUNDED],
        ),
        (
            "weight,price\n1,2\n",
            [NO_COLUMN],
        ),
        ("", ["f: has no chips"]),
        ("sn\n", ["f: has no chips"]),
        ("sn,permit\nA11,P1\nA12,P2\n", ["f:3: delivery DN-1 has another permit or date than in the lines before"]),
        ("sn,uuid,vdie_id,chip\nA11,A12,A13,A14\n", ["f:2: 4 ids of one chip; at most 3 are kept"]),
    ],
)
def test_what_is_wrong_with_a_list_is_named_with_its_line(text: str, expected: list[str]) -> None:
    assert problems_in(text) == expected


def test_nothing_is_written_where_a_line_is_wrong() -> None:
    result = run("sn\n1654\nN/A\n")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == 'error: delivery:3: "N/A" is no id of a chip\n'


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--received", "14.3.2026"], "spec.deliveries.0.received"),
        (["--received", "2026-02-30"], '"2026-02-30" is no day of the calendar'),
        (["--permit-date", "2026-02-20"], "--permit-date requires --permit"),
        (["--country", "Malaysia"], "spec.countries.0"),
        (["--gone-after", "soon"], "spec.goneAfter"),
    ],
)
def test_options_are_judged_as_the_api_server_would(arguments: list[str], why: str) -> None:
    result = run("sn\n1654\n", *arguments)
    assert result.exit_code == 2
    assert why in result.stderr


def test_a_list_may_be_of_chips_that_only_exporters_show() -> None:
    (found,) = manifests(run("sn\n1654\n", "--exporters"))
    assert found["spec"]["deliveries"][0]["observedBy"] == "Exporters"


def test_what_isnt_utf_8_and_what_isnt_there_are_errors(tmp_path: Path) -> None:
    assert "isn't in UTF-8" in run(b"sn\n\xff\xfe1\n").stderr
    missing = CliRunner().invoke(chips, ["import", str(tmp_path / "no.csv"), "--name", "x"])
    assert (missing.exit_code, "no such file" in missing.stderr) == (2, True)


def test_a_long_list_becomes_several_inventories() -> None:
    found = manifests(run("sn\n" + "".join(f"SN{i:05}\n" for i in range(4500))))
    assert [m["metadata"]["name"] for m in found] == ["h20-1", "h20-2", "h20-3"]
    assert [len(m["spec"]["deliveries"][0]["chips"]) for m in found] == [2000, 2000, 500]


CELLS = st.text(st.sampled_from("ABCab019-.:_ ,;\t\"N/A'"), max_size=12)


@settings(max_examples=200)
@given(st.lists(st.lists(CELLS, min_size=1, max_size=3), max_size=8))
def test_whatever_a_list_holds_it_is_refused_or_every_chip_is_one_that_can_be_applied(lines: list[list[str]]) -> None:
    text = "serial,uuid,id\n" + "".join(",".join(cells) + "\n" for cells in lines)
    lots, problems = read_list(text, "f", TERMS)
    if not problems:
        deliveries = [{**lot.terms.manifest(), "chips": lot.chips} for lot in lots]
        spec = AcceleratorInventorySpec.model_validate({"deliveries": deliveries})
        ids = [each for delivery in spec.deliveries for chip in delivery.chips for each in ids_of(chip)]
        assert len(ids) == len(set(ids))
