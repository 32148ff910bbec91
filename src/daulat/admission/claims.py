"""Writes the selector by which a ResourceClaim asks for an approved accelerator: admission looks for it, workloads carry it."""

from __future__ import annotations

from daulat.api.accelerator import DynamicResource

from .literals import literal


def selector(resource: DynamicResource) -> str:
    """Return the CEL expression that holds for the devices of the resource alone, the same text for the same resource."""
    parts = [f"device.driver == {literal(resource.driver)}"]
    for domain, name, values in sorted(
        (*qualified(resource.driver, key), values) for key, values in resource.attributes.items()
    ):
        attributes = f"device.attributes[{literal(domain)}]"
        # A name that a device lacks would be an error, and the scheduler then gives up on every device of the node.
        parts.append(f"{literal(name)} in {attributes}")
        parts.append(f"{attributes}[{literal(name)}] in {literal(sorted({*values}))}")
    return " && ".join(parts)


def qualified(driver: str, name: str) -> tuple[str, str]:
    """Return an attribute's domain and its name in it. One without a domain is of the driver's own."""
    domain, slash, own = name.rpartition("/")
    return (domain, own) if slash else (driver, name)


def request(device_class: str, expression: str) -> str:
    """Return one text for a DeviceClass and a selector, as the guard of claims compares them."""
    return f"{device_class} {expression}"
