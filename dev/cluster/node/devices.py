"""The fake devices of a node: a file says which there are and how each is, and what a container gets with them.

Whoever holds the file makes devices fail: the plugin (`plugin.py`) reads it again whenever it changes.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

ID_LENGTH = 63
"""What the kubelet's interface allows."""
ALLOCATIONS = "allocations.jsonl"


class DevicesError(Exception):
    """The file can't be used, or names no such device. The message is a sentence."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Device(_Strict):
    """One device."""

    id: Annotated[str, Field(min_length=1, max_length=ID_LENGTH)]
    healthy: bool = True
    lost: bool = False
    """Whether the plugin no longer sees it. It stays in the file, so that it can come back."""
    numa: int | None = None
    number: int | None = None
    """By which its driver knows it: the N of /dev/davinciN. Else what follows the last dash of the id, where that is a number."""

    @property
    def index(self) -> int | None:
        """Its number, given or read from the id."""
        found = re.search(r"(?:^|-)(\d+)$", self.id)
        return self.number if self.number is not None or found is None else int(found[1])


class Injection(_Strict):
    """What the vendor's plugin adds to a container. Texts may have {ids} or {numbers} (comma-separated), files {number}."""

    environment: Mapping[str, str] = {}
    files: tuple[str, ...] = ()
    """Paths of device files; one with {number} is there for each device."""


# By the domain of the resource. Where Ascend's runtime isn't used its plugin lists the files, else it sets the variables and
# the runtime adds the files (ascend-device-plugin `SetAscendRuntimeEnv`, `mountDevice`): a container here has both.
# Container annotations are set by neither; `huawei.com/Ascend910` is an annotation of the pod.
VENDORS: Mapping[str, Injection] = {
    "huawei.com": Injection(
        environment={"ASCEND_VISIBLE_DEVICES": "{numbers}", "ASCEND_RUNTIME_OPTIONS": ""},
        files=("/dev/davinci{number}", "/dev/davinci_manager", "/dev/devmm_svm", "/dev/hisi_hdc"),
    ),
    "nvidia.com": Injection(
        environment={"NVIDIA_VISIBLE_DEVICES": "{ids}"},
        files=("/dev/nvidia{number}", "/dev/nvidiactl", "/dev/nvidia-uvm"),
    ),
}


class Offer(_Strict):
    """A resource and its devices."""

    resource: Annotated[str, Field(pattern=r"^[a-z0-9.-]+/[A-Za-z0-9._-]+$")]
    devices: tuple[Device, ...]
    environment: Mapping[str, str] | None = None
    """Instead of the vendor's."""
    files: tuple[str, ...] | None = None
    """Instead of the vendor's; an empty list for none."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if twice := _repeated(device.id for device in self.devices):
            raise ValueError(f"{self.resource} has two devices {twice}")
        texts = [*self.injection.environment.values(), *self.injection.files]
        for text in texts:
            _filled(text, self.devices[:0])
        needs_numbers = any("{number" in text for text in texts)
        if without := next((d.id for d in self.devices if needs_numbers and d.index is None), None):
            raise ValueError(f"{self.resource} needs a number for {without}, whose id ends with none")
        return self

    @property
    def injection(self) -> Injection:
        """What a container gets."""
        vendor = VENDORS.get(self.resource.partition("/")[0], Injection())
        return Injection(
            environment=vendor.environment if self.environment is None else self.environment,
            files=vendor.files if self.files is None else self.files,
        )

    @property
    def present(self) -> tuple[Device, ...]:
        """The devices that aren't lost."""
        return tuple(device for device in self.devices if not device.lost)

    def given(self, ids: Sequence[str]) -> Injection:
        """Return what a container with these devices gets, with nothing left to fill in. DevicesError for one that isn't there."""
        there = {device.id: device for device in self.present}
        if unknown := sorted(set(ids) - set(there)):
            raise DevicesError(f"{self.resource} has no device {', '.join(unknown)}")
        # So that a value doesn't depend on the order in which the kubelet picks.
        found = sorted((there[i] for i in ids), key=lambda device: (device.index or 0, device.id))
        environment = {name: _filled(text, found) for name, text in self.injection.environment.items()}
        files = (
            [_filled(file, [device]) for device in found] if "{number}" in file else [file]
            for file in self.injection.files
        )
        return Injection(environment=environment, files=tuple(path for paths in files for path in paths))


_OFFERS = TypeAdapter(tuple[Offer, ...])


def _repeated(names: Iterable[str]) -> str:
    return next((name for name, count in Counter(names).items() if count > 1), "")


def _filled(text: str, devices: Sequence[Device]) -> str:
    numbers = [str(device.index) for device in devices]
    try:
        return text.format(
            ids=",".join(device.id for device in devices), numbers=",".join(numbers), number=next(iter(numbers), "")
        )
    except (KeyError, IndexError, ValueError) as error:
        raise ValueError(f"{text!r} has something to fill in that isn't {{ids}}, {{numbers}} or {{number}}") from error


def offer(resource: str, count: int, node: str = "") -> Offer:
    """Return this many healthy devices, named as the vendor's plugin does; a GPU has another UUID on each node."""
    domain, _, name = resource.partition("/")
    devices = [Device(id=f"{name}-{number}") for number in range(count)]
    if domain == "nvidia.com":
        uuids = [uuid.uuid5(uuid.NAMESPACE_DNS, f"{number}.{name}.{node}") for number in range(count)]
        devices = [Device(id=f"GPU-{found}", number=number) for number, found in enumerate(uuids)]
    return Offer(resource=resource, devices=tuple(devices))


def parse(text: str) -> tuple[Offer, ...]:
    """Read what the file says (YAML or JSON: a list of offers). DevicesError where it says nothing that can be used."""
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # A date that can't be is the latter.
        raise DevicesError(f"The devices are no YAML: {error}.") from error
    try:
        found = _OFFERS.validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DevicesError(f"The devices are wrong at {place or 'the top'}: {first['msg']}.") from error
    if twice := _repeated(one.resource for one in found):
        raise DevicesError(f"The devices have {twice} twice.")
    return found


def write(path: Path, offers: Sequence[Offer]) -> None:
    """Write the file, all at once: a reader sees what was there before or all that is there now."""
    text = yaml.safe_dump([one.model_dump(mode="json", exclude_defaults=True) for one in offers], sort_keys=False)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text)
    draft.replace(path)


class Devices:
    """Makes devices fail and come back, by the file from which the plugin reads. Only one may write at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def set_health(self, resource: str, device: str, healthy: bool) -> None:
        """Let a device be healthy or not."""
        self._change(resource, device, healthy=healthy)

    def lose(self, resource: str, device: str) -> None:
        """Let the plugin no longer see a device."""
        self._change(resource, device, lost=True)

    def restore(self) -> None:
        """Let all devices be there and healthy."""
        sound = {"healthy": True, "lost": False}
        self._write([_changed(one, [d.model_copy(update=sound) for d in one.devices]) for one in self._read()])

    def _change(self, resource: str, device: str, **update: bool) -> None:
        offers = self._read()
        if not any(one.resource == resource and any(d.id == device for d in one.devices) for one in offers):
            raise DevicesError(f"{resource} has no device {device}")
        self._write(
            [
                _changed(one, [d.model_copy(update=update) if d.id == device else d for d in one.devices])
                if one.resource == resource
                else one
                for one in offers
            ]
        )

    def _read(self) -> tuple[Offer, ...]:
        return parse(self._path.read_text())

    def _write(self, offers: Sequence[Offer]) -> None:
        write(self._path, offers)


def _changed(one: Offer, devices: Sequence[Device]) -> Offer:
    return one.model_copy(update={"devices": tuple(devices)})


@dataclass(frozen=True)
class Allocation:
    """What the kubelet asked the plugin for. It doesn't say for which pod, and the pod may have been rejected after."""

    time: float
    """Seconds since the epoch."""
    resource: str
    ids: tuple[str, ...]


def allocations(path: Path) -> list[Allocation]:
    """Return what was requested so far, oldest first; nothing where the file isn't there yet."""
    if not path.exists():
        return []
    # A line without its end is still being written.
    whole = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return [Allocation(found["time"], found["resource"], tuple(found["ids"])) for found in map(json.loads, whole)]
