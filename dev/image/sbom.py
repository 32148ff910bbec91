"""The image's software bill of materials: CycloneDX, the same bytes for the same parts."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.spdx import is_expression, is_supported_id
from packageurl import PackageURL

from . import facts
from .debian import Package, Unpacked
from .wheels import Wheel

MEDIA_TYPE = "application/vnd.cyclonedx+json"
_SPACE = uuid.UUID("5d0bb9c1-2d1f-4c3a-9a75-2b1f7f2f6d0a")
"""For serial numbers, which are made from the image's digest: no two images share one, and a second build has the same."""
_PARAGRAPH = re.compile(r"^License:[ \t]*(\S[^\n]*)$", re.MULTILINE)
_CLASSIFIER = "License :: OSI Approved :: "


@dataclass(frozen=True)
class Part:
    """A package in the image."""

    purl: str
    sha256: str
    """Of the package as it was fetched; empty for what was copied from this checkout."""
    expression: str
    """Its licence as an SPDX expression; empty where it has none that is one."""
    licenses: tuple[str, ...]
    """Else the licences that it names in its own words."""


def of_debian(unpacked: Iterable[Unpacked], architecture: str) -> list[Part]:
    """Return Debian packages, with the licences that their copyright files name where these are machine-readable."""
    found = list(unpacked)
    texts = {one.package.name: one.copyright for one in found}
    return [_of_package(one.package, texts.get(one.licensed_with, ""), architecture) for one in found]


def _of_package(package: Package, text: str, architecture: str) -> Part:
    # A package for all architectures says so: scanners look for it under this name.
    qualifiers = {"arch": architecture if package.architecture != "all" else "all", "distro": facts.RELEASE}
    purl = PackageURL("deb", "debian", package.name, package.version, qualifiers)
    named = {match.strip() for match in _PARAGRAPH.findall(text)}
    return Part(purl.to_string(), package.sha256, "", tuple(sorted(named)))


def of_wheel(wheel: Wheel) -> Part:
    """Return a wheel, with the licence that its metadata has."""
    purl = PackageURL("pypi", None, wheel.name, wheel.version).to_string()
    said = [str(wheel.metadata[name] or "").strip() for name in ("License-Expression", "License")]
    for text in said:
        if text and (is_supported_id(text) or is_expression(text)):
            return Part(purl, wheel.sha256, text, ())
    classifiers = [str(value) for value in wheel.metadata.get_all("Classifier", [])]
    named = [value.removeprefix(_CLASSIFIER) for value in classifiers if value.startswith(_CLASSIFIER)]
    # Some have a whole licence's text in the field.
    named = named or [text.splitlines()[0] for text in said if text]
    return Part(purl, wheel.sha256, "", tuple(sorted(named)))


def of_daulat(version: str) -> Part:
    """Return the operator itself."""
    license_ = facts.LABELS["org.opencontainers.image.licenses"]
    return Part(PackageURL("pypi", None, "daulat", version).to_string(), "", license_, ())


def dump(parts: Iterable[Part]) -> bytes:
    """Return parts as bytes, for the cache."""
    return json.dumps([asdict(part) for part in parts]).encode()


def load(noted: bytes) -> list[Part]:
    """Return the parts that were dumped."""
    return [Part(**{**part, "licenses": tuple(part["licenses"])}) for part in json.loads(noted)]


def document(parts: Iterable[Part], version: str, architecture: str, image: str) -> bytes:
    """Return the bill of materials of the image with this digest, as JSON."""
    qualifiers = {"arch": architecture, "repository_url": facts.REPOSITORY}
    purl = PackageURL("oci", None, facts.REPOSITORY.rpartition("/")[2], image, qualifiers)
    root = Component(name=facts.REPOSITORY, type=ComponentType.CONTAINER, version=version, purl=purl, bom_ref=str(purl))
    metadata = BomMetaData(component=root, timestamp=datetime.fromtimestamp(0, UTC))
    bom = Bom(metadata=metadata, serial_number=uuid.uuid5(_SPACE, image))
    components = [_component(part) for part in parts]
    for component in components:
        bom.components.add(component)
    bom.register_dependency(root, components)
    return (make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1) + "\n").encode()


def _component(part: Part) -> Component:
    purl, factory = PackageURL.from_string(part.purl), LicenseFactory()
    licenses: list[License] = [factory.make_from_string(part.expression)] if part.expression else []
    licenses += [
        factory.make_with_id(name) if is_supported_id(name) else factory.make_with_name(name) for name in part.licenses
    ]
    return Component(
        name=purl.name,
        group=purl.namespace,
        version=purl.version,
        purl=purl,
        bom_ref=part.purl,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=part.sha256)] if part.sha256 else [],
        licenses=licenses,
    )
