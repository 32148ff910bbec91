"""``daulat``: the operator, and the tools beside it."""

from __future__ import annotations

import click

from daulat import __version__

from .lazy import LazyCommand, LazyGroup

# One line a command: its module is imported when it is run.
COMMANDS = {
    "attest": LazyCommand(
        "daulat.cli.attest.command",
        "attest",
        "Create, sign and verify statements about the facilities of nodes, offline.",
    ),
    "bundle": LazyCommand(
        "daulat.cli.bundle.command", "bundle", "Move what manifests need to a registry of your own, and rewrite them."
    ),
    "check": LazyCommand("daulat.cli.check.command", "check", "Judge manifests before they reach a cluster."),
    "chips": LazyCommand(
        "daulat.cli.chips.command", "chips", "Show where each chip is, under which permit, and problems."
    ),
    "compile": LazyCommand(
        "daulat.cli.compile.command", "compile_", "Write what policies compile to, for GitOps or the API server."
    ),
    "completion": LazyCommand("daulat.cli.completion", "completion", "Write what completes command lines in a shell."),
    "console": LazyCommand(
        "daulat.cli.console.command", "console", "Show zones, models and policies as pages for a browser."
    ),
    "crds": LazyCommand(
        "daulat.cli.crds.command", "crds", "Upgrade the CustomResourceDefinitions, which Helm doesn't, or print them."
    ),
    "doctor": LazyCommand("daulat.cli.doctor.command", "doctor", "Find what weakens enforcement in a cluster."),
    "explain": LazyCommand("daulat.cli.explain.command", "explain", "Explain a control, a policy or an object."),
    "images": LazyCommand(
        "daulat.cli.images.command", "images", "List the images, charts and weights that manifests need."
    ),
    "ledger": LazyCommand(
        "daulat.cli.ledger.command", "ledger", "Verify a log of what ran where, and prove its entries, offline."
    ),
    "operator": LazyCommand("daulat.cli.operator", "operator", "Run the operator."),
    "recorder": LazyCommand("daulat.cli.recorder", "recorder", "Run the recorder, which logs what ran where."),
    "report": LazyCommand(
        "daulat.cli.report.command", "report", "Write what a log shows of a period, with a proof of each claim."
    ),
    "reporter": LazyCommand(
        "daulat.cli.reporter",
        "reporter",
        "Run the reporter, which reports existing objects that policies would refuse.",
    ),
    "simulate": LazyCommand(
        "daulat.cli.simulate.command", "simulate", "Show what a change would do, on a copy of the facts."
    ),
    "sizing": LazyCommand("daulat.cli.sizing", "sizing", "Show how many devices a model needs, and why."),
    "smoke-test": LazyCommand(
        "daulat.cli.smoketest", "smoke_test", "Prove that an installation leads and that admission refuses."
    ),
    "snapshot": LazyCommand(
        "daulat.cli.simulate.snapshot", "snapshot", "Write the facts that simulate needs to a folder, redacted."
    ),
    "status": LazyCommand(
        "daulat.cli.status.command", "status", "Show policies, zones and models, and what needs attention."
    ),
    "uninstall": LazyCommand("daulat.cli.uninstall.command", "uninstall", "Remove what Daulat has made in a cluster."),
    "weights": LazyCommand(
        "daulat.cli.weights.command", "weights", "Fetch weights, and check their digest and signature."
    ),
    "where-ran": LazyCommand(
        "daulat.cli.whereran.command",
        "where_ran",
        "Show what ran where, from a log and its signed checkpoint, offline.",
    ),
    "witness": LazyCommand("daulat.cli.witness", "witness", "Cosign the logs of other clusters as they grow."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="daulat")
def main() -> None:
    """Keep AI models on the nodes, accelerators and artefacts that a policy approves, and show why."""


if __name__ == "__main__":
    main()
