"""What is logged at a start is what somebody can do something about."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from daulat import logs

KOPF = "kopf._core.reactor.observation"


@pytest.fixture
def configured() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    logs.configure("info")
    yield
    root.handlers, root.level = handlers, level
    logging.getLogger(KOPF).filters.clear()


def test_a_line_for_reading_has_the_fields_behind_the_message_and_stays_one_line() -> None:
    record = logging.LogRecord("daulat.lease", logging.INFO, __file__, 1, "leading", None, None)
    record.identity = "pod-1\nERROR"
    line = logs.TextFormatter(logs.FIELDS).format(record)
    assert line.endswith('INFO daulat.lease leading identity="pod-1\\nERROR"')


@pytest.mark.usefixtures("configured")
def test_kinds_that_a_cluster_does_without_are_no_warning(capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger().handlers = [logging.StreamHandler()]
    logger = logging.getLogger(KOPF)
    logger.warning("Unresolved resources cannot be served (try creating their CRDs): leaderworkersets.v1.x")
    logger.warning("another warning")
    said = capsys.readouterr().err
    assert "Unresolved" not in said
    assert "another warning" in said
