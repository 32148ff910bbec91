"""What ``check`` finds in AcceleratorInventories beyond their schema."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daulat.cli.check.command import check

Run = Callable[[str], Result]

ZONE = """---
apiVersion: daulat.dev/v1alpha1
kind: SovereignZone
metadata: {name: my-1}
spec:
  country: MY
  facility: {name: DC 1}
  operator: {legalName: Example Sdn Bhd, country: MY, ultimateParentCountry: MY}
  maximumDataClass: confidential
  nodeSelector: {matchLabels: {daulat.node-restriction.kubernetes.io/site: my-1}}
"""


def inventory(*chips: str, name: str = "h20", zone: str = "my-1", delivery: str = "DN-1") -> str:
    listed = "".join(f"        - {chip}\n" for chip in chips)
    return (
        "---\napiVersion: daulat.dev/v1alpha1\nkind: AcceleratorInventory\n"
        f"metadata: {{name: {name}}}\nspec:\n  zones: [{zone}]\n  deliveries:\n    - name: {delivery}\n      chips:\n{listed}"
    )


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def checked(text: str) -> Result:
        path = tmp_path / "f.yaml"
        path.write_text(text)
        return CliRunner().invoke(check, [str(path)], catch_exceptions=False)

    return checked


def test_an_inventory_is_judged_without_a_policy(run: Run) -> None:
    for text in (inventory("GPU-1", '"1654"'), inventory("GPU-1") + ZONE):
        result = run(text)
        assert (result.exit_code, result.stderr) == (0, "")


def test_an_id_that_is_there_twice_is_named_with_both_places(run: Run) -> None:
    result = run(inventory("GPU-1", "1654x,gpu-1") + inventory("GPU-2", "1654X", name="other"))
    assert result.exit_code == 2
    assert (
        "f.yaml:11: spec.deliveries[0].chips[1]: id gpu-1 is declared in spec.deliveries[0].chips[0] already"
        in result.stderr
    )
    assert "of AcceleratorInventory h20 already" in result.stderr


def test_a_placeholder_is_no_chip(run: Run) -> None:
    assert '"Unknown" identifies no chip' in run(inventory("Unknown")).stderr
    assert '"0000" identifies no chip' in run(inventory('"0000"')).stderr


def test_a_zone_that_doesnt_exist_is_named(run: Run) -> None:
    assert 'spec.zones: SovereignZone "my-2" not found' in run(inventory("GPU-1", zone="my-2") + ZONE).stderr
    assert run(inventory("GPU-1", zone="my-2")).exit_code == 0


def test_what_isnt_an_id_is_refused_by_the_schema(run: Run) -> None:
    result = run(inventory('"not an id"'))
    assert result.exit_code == 2
    assert "spec.deliveries[0].chips[0]" in result.stderr


def test_beside_other_objects_a_policy_is_needed(run: Run) -> None:
    text = inventory("GPU-1") + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"
    assert run(text).exit_code == 2
