"""What holds while parts of the cluster are down: the operator, the API server, or both."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPException
from typing import Any

import pytest

from dev.deployment import poll

from .test_admission import ELSEWHERE, PREFIX, Stream
from .world import IMAGE, Api, World, model_manifest, pod_manifest, policy_manifest, unique
