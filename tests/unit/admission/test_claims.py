"""The selector of a claim: the same text for the same devices, and nothing in it that a value could break out of."""

from __future__ import annotations

from daulat.admission.claims import qualified, selector
from daulat.api.accelerator import DynamicResource


def resource(**attributes: list[str]) -> DynamicResource:
    body = {"driver": "gpu.example.my", "deviceClassName": "c", "attributes": attributes}
    return DynamicResource.model_validate(body)


def test_every_attribute_is_looked_for_before_it_is_read_in_one_order() -> None:
    one = selector(resource(type=["gpu"], model=["b", "a"]))
    assert one == (
        'device.driver == "gpu.example.my"'
        ' && "model" in device.attributes["gpu.example.my"] && device.attributes["gpu.example.my"]["model"] in ["a", "b"]'
        ' && "type" in device.attributes["gpu.example.my"] && device.attributes["gpu.example.my"]["type"] in ["gpu"]'
    )
    assert selector(resource(model=["a", "b"], type=["gpu"])) == one
    assert selector(resource()) == 'device.driver == "gpu.example.my"'


def test_an_attribute_with_a_domain_is_read_there() -> None:
    assert qualified("gpu.example.my", "model") == ("gpu.example.my", "model")
    assert qualified("gpu.example.my", "other.my/model") == ("other.my", "model")
    assert '"rack" in device.attributes["site.my"]' in selector(resource(**{"site.my/rack": ["1"]}))


def test_a_value_stays_a_text_whatever_is_in_it() -> None:
    assert selector(resource(model=['"] || true || "x" in ["'])).endswith(
        '["model"] in ["\\"] || true || \\"x\\" in [\\""]'
    )
