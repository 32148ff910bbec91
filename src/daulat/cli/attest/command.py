"""The command line of ``daulat attest``."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click
from pydantic import ValidationError

from daulat.api.authorities import AttestationRequirements, posix
from daulat.api.names import API_VERSION
from daulat.api.timestamps import stamp
from daulat.attestation import dsse
from daulat.attestation.errors import AttestationError
from daulat.attestation.statement import PREDICATE, Chip, as_value, problems, read, statement_of
from daulat.facts.devices import Device
from daulat.signing import keys
from daulat.signing.keys import BadKey

from ..errors import fail
from ..examples import examples
from ..structured import WRITERS, as_json
from ..text import Page
from .output import FORMATS, report
from .reading import Given, SeenNode, content, given
from .verifying import verified

_DAY = 86400.0
_EXAMPLES = examples(
    (
        "A statement about a node, from what the cluster shows of it",
        "kubectl get node/gpu-1 szone/cyberjaya-1 -o json > gpu-1.objects.json\n"
        "  daulat attest make gpu-1.objects.json --authority my-inspectorate --serial-number 2026-0017 --days 90"
        " > gpu-1.json",
    ),
    ("The NodeAttestation, signed", "daulat attest sign gpu-1.json --key authority.pem > gpu-1.yaml"),
    ("Whether it is evidence under a policy", "daulat attest verify gpu-1.yaml policy.yaml gpu-1.objects.json"),
)
_OUTPUT_FILE = click.option(
    "--output-file", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file, not to standard output."
)


@click.group(epilog=_EXAMPLES)
def attest() -> None:
    """Create, sign and verify statements about the facilities of nodes, offline."""


@attest.command(
    epilog=examples(
        (
            "A statement for 90 days, from what the cluster shows",
            "daulat attest make gpu-1.objects.json --authority my-inspectorate --serial-number 2026-0017 --days 90 "
            "--output-file gpu-1.json",
        ),
    )
)
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@click.option("--node", help="The node's name; by default that of the one Node in the files.")
@click.option("--system-uuid", help="Its system UUID; by default as the Node in the files reports it.")
@click.option("--zone", help="The SovereignZone; by default the one in the files.")
@click.option("--facility", help="The facility's name; by default as the zone has it.")
@click.option("--country", help="The facility's country, ISO 3166-1 alpha-2; by default as the zone has it.")
@click.option("--operator", help="The legal name of who runs the facility; by default as the zone has it.")
@click.option(
    "--chip",
    "chips",
    multiple=True,
    metavar="VENDOR/PRODUCT/ID",
    help="An accelerator by its UUID or serial number; by default those that ResourceSlices in the files show. Repeatable.",
)
@click.option("--tpm-ek-digest", metavar="sha256:DIGEST", help="The digest of the TPM's public endorsement key.")
@click.option("--authority", required=True, help="The authority that states it, as policies name it.")
@click.option("--serial-number", required=True, help="The authority's number of the statement; give each one its own.")
@click.option(
    "--not-before", metavar="TIME", help="From when on it is valid, such as 2026-12-01T00:00:00Z; now by default."
)
@click.option("--not-after", metavar="TIME", help="The end of the statement's validity.")
@click.option("--days", type=click.IntRange(min=1, max=3660), help="Instead of --not-after: for how many days.")
@_OUTPUT_FILE
def make(
    paths: tuple[str, ...],
    node: str | None,
    system_uuid: str | None,
    zone: str | None,
    facility: str | None,
    country: str | None,
    operator: str | None,
    chips: tuple[str, ...],
    tpm_ek_digest: str | None,
    authority: str,
    serial_number: str,
    not_before: str | None,
    not_after: str | None,
    days: int | None,
    output_file: Path | None,
) -> None:
    """Make a statement about a node, to be signed.

    PATHs are files or directories with the Node, its SovereignZone and its ResourceSlices, as kubectl get -o json writes them.
    What is left out is taken from them. Compare the statement with what was found in the facility before it is signed: what the
    cluster says of itself is no evidence.

    Exit codes: 0 made, 2 wrong input or usage.
    """
    if (not_after is None) == (days is None):
        fail("name either --not-after or --days")
    found = given(paths)
    seen = _node(found, node, system_uuid)
    zone_name = zone or next(iter(found.zones), None) if len(found.zones) < 2 else zone
    record = found.zones.get(zone_name) if zone_name else None
    begins = not_before or stamp(time.time())
    values = {
        "systemUUID": seen.system_uuid,
        "facility": {
            "name": facility or (record.facility.name if record else None),
            "country": country or (record.country if record else None),
            "zone": zone_name,
        },
        "operator": operator or (record.operator.legal_name if record else None),
        "tpm": {"ekDigest": tpm_ek_digest} if tpm_ek_digest else None,
        "chips": [_chip(text) for text in chips] or _seen_chips(found.devices(seen.name)),
        "notBefore": begins,
        "authority": authority,
        "serialNumber": serial_number,
    }
    try:
        values["notAfter"] = not_after or stamp(posix(begins) + (days or 0) * _DAY)
        made = statement_of(seen.name, PREDICATE.validate_python(values))
    except ValidationError as error:
        fail(problems(error))
    except (AttestationError, ValueError) as error:
        fail(error)
    _write(as_json(as_value(made)), output_file)


@attest.command(
    epilog=examples(
        ("The NodeAttestation to apply", "daulat attest sign gpu-1.json --key authority.pem > gpu-1.yaml"),
        ("The bare DSSE envelope", "daulat attest sign gpu-1.json --key authority.pem -o envelope"),
    )
)
@click.argument("statement", metavar="STATEMENT")
@click.option(
    "--key",
    required=True,
    metavar="FILE",
    help="The authority's private key as PEM, not encrypted: Ed25519, or ECDSA on P-256. - reads it from standard input.",
)
@click.option("--keyid", help="A note in the envelope of which key it is. It isn't signed.")
@click.option("--name", help="The name of the NodeAttestation; by default the node's.")
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(("yaml", "json", "envelope")),
    default="yaml",
    show_default=True,
    help="The format: a NodeAttestation as YAML or JSON, or the bare DSSE envelope.",
)
@_OUTPUT_FILE
def sign(statement: str, key: str, keyid: str | None, name: str | None, form: str, output_file: Path | None) -> None:
    """Sign the statement in the file STATEMENT, and write the NodeAttestation to apply to the cluster.

    Exit codes: 0 signed, 2 wrong input or usage.
    """
    try:
        read_statement = read(content(statement))
    except (AttestationError, BadKey) as error:
        fail(f"{statement}: {error}")
    try:
        envelope = dsse.sign(read_statement, content(key), keyid)
    except (AttestationError, BadKey) as error:
        fail(f"{key}: {error}")
    body = envelope.model_dump(by_alias=True, exclude_none=True, mode="json")
    if form == "envelope":
        _write(as_json(body), output_file)
        return
    manifest = {
        "apiVersion": API_VERSION,
        "kind": "NodeAttestation",
        "metadata": {"name": name or read_statement.node},
        "spec": {"envelope": body},
    }
    _write(WRITERS[form](manifest), output_file)


@attest.command(
    epilog=examples(
        (
            "Whether it is evidence under a policy",
            "daulat attest verify gpu-1.yaml policy.yaml gpu-1.objects.json",
        ),
        ("By a key alone, for a program", "daulat attest verify gpu-1.yaml --key authority.pub -o json"),
    )
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--key",
    "key_files",
    multiple=True,
    metavar="FILE",
    help="A trusted public key as PEM, if no policy lists trusted authorities. Repeatable.",
)
@click.option(
    "--policy", help="The SovereigntyPolicy in the files with the trusted authorities; by default the only one."
)
@click.option("--at", metavar="TIME", help="The time to judge at, such as 2026-12-01T00:00:00Z; now by default.")
@click.option(
    "-o", "--output", "form", type=click.Choice(FORMATS), default="table", show_default=True, help="The format."
)
def verify(paths: tuple[str, ...], key_files: tuple[str, ...], policy: str | None, at: str | None, form: str) -> None:
    """Verify the NodeAttestations, or bare envelopes, in the files, and say what they prove and what not.

    PATHs are files or directories. A SovereigntyPolicy in them has the trusted authorities and the revoked statements.
    Statements are compared with the Nodes, SovereignZones and ResourceSlices there.

    Exit codes: 0 all are verified, 1 one isn't, 2 wrong input or usage.
    """
    found = given(paths)
    if not found.attestations:
        fail("the files hold no NodeAttestation and no envelope")
    trust = _trust(found, policy, key_files)
    try:
        now = time.time() if at is None else posix(at)
        trusted = [content(path).decode() for path in key_files]
        for path, pem in zip(key_files, trusted, strict=True):
            _usable(path, pem)
    except ValueError as error:
        fail(error)
    results = verified(found, trust, trusted, now)
    click.echo(report(results, form, Page.for_output()), nl=False)
    sys.exit(1 if any(each.findings for each in results) else 0)


def _usable(path: str, pem: str) -> None:
    try:
        keys.public_key(pem)
    except (AttestationError, BadKey) as error:
        fail(f"{path}: {error}")


def _trust(found: Given, policy: str | None, key_files: tuple[str, ...]) -> AttestationRequirements | None:
    if key_files:
        if policy is not None:
            fail("name either --policy or --key")
        return None
    if policy is None and len(found.policies) != 1:
        fail(
            "--key FILE is required, or a SovereigntyPolicy in the files; with several policies, --policy NAME as well"
        )
    name = policy or next(iter(found.policies))
    spec = found.policies.get(name)
    if spec is None:
        fail(f"the files hold no SovereigntyPolicy {name}")
    if spec.zones.attestations is None:
        fail(f"policy {name} trusts no authority: it has no spec.zones.attestations")
    return spec.zones.attestations


def _node(found: Given, name: str | None, system_uuid: str | None) -> SeenNode:
    if name is None and len(found.nodes) != 1:
        fail("--node NAME is required unless the files have exactly one Node")
    name = name or next(iter(found.nodes))
    seen = found.nodes.get(name)
    uuid = (system_uuid or (seen.system_uuid if seen else "")).lower()
    if not uuid:
        fail(f"node {name} reports no system UUID, or isn't in the files: --system-uuid is required")
    return SeenNode(name, uuid)


def _chip(text: str) -> Chip:
    vendor, _, rest = text.partition("/")
    product, _, chip_id = rest.rpartition("/")
    try:
        return Chip(vendor=vendor, product=product, id=chip_id)
    except ValidationError:
        fail(f'--chip {text}: write VENDOR/PRODUCT/ID, such as "NVIDIA/H20/GPU-1a2b"')


def _seen_chips(devices: Sequence[Device]) -> list[Chip]:
    """Return each chip once: several devices may be parts of one."""
    return list({device.chip_ids[0]: _seen_chip(device) for device in devices if device.chip_ids}.values())


def _seen_chip(device: Device) -> Chip:
    named = {key.rpartition("/")[2]: value for key, value in device.attributes.items()}
    product = next((named[key] for key in ("productName", "model", "type") if named.get(key)), "unknown")
    return Chip(vendor=device.id.driver, product=product, id=device.chip_ids[0])


def _write(text: str, output_file: Path | None) -> None:
    if output_file is None:
        click.echo(text, nl=False)
        return
    try:
        output_file.write_text(text)
    except OSError as error:
        fail(f"{output_file}: {(error.strerror or str(error)).lower()}")
