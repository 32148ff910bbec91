"""How much processor time the offline evaluator takes: at its first use, for a pod under the whole library, and as pods grow.

Run it with ``PYTHONPATH=src:. python bench/cel.py``.
"""

from __future__ import annotations

import gc
import json
import statistics
import time
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

began = time.process_time()

from daulat.cel import environment  # noqa: E402
from daulat.cel.evaluator import Request, evaluate_each, matches_resource  # noqa: E402

IMPORTED = time.process_time() - began

from tests.requests import EXAMPLES, manifests_of, request_of  # noqa: E402
from tests.unit.cel.reference import refused  # noqa: E402

IMAGE = "registry.example.my/vllm@sha256:" + "0" * 64


def microseconds(action: Callable[[], object], rounds: int = 300) -> float:
    """Return the median processor time of an action that has been done once before."""
    action()
    found = []
    for _ in range(rounds):
        start = time.process_time()
        action()
        found.append(time.process_time() - start)
    return statistics.median(found) * 1e6


def pod(base: dict[str, Any], containers: int, variables: int) -> dict[str, Any]:
    """Return a pod of many containers, each with many environment variables."""
    env = [{"name": f"VARIABLE_{i}", "value": "some text of a usual length"} for i in range(variables)]
    made = [{"name": f"c{i}", "image": IMAGE, "env": env} for i in range(containers)]
    return {**base, "spec": {**base["spec"], "containers": made}}


def memory(manifests: Sequence[dict[str, Any]], request: Request, rounds: int) -> int:
    """Return by how many bytes Python's memory has grown after so many evaluations."""
    evaluate_each(manifests, request)
    gc.collect()
    tracemalloc.start()
    for _ in range(rounds):
        evaluate_each(manifests, request)
    gc.collect()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return grown


def main() -> None:
    """Print the measurements."""
    control, example = next((c, e) for c, e in EXAMPLES if c.guard == "pods" and not e.violations)
    manifests, request = manifests_of(control, example), request_of(control, example)
    variables = [
        v["expression"]
        for m in manifests
        if m["kind"] == "ValidatingAdmissionPolicy" and m["metadata"]["name"].split(".")[1] == "pods"
        for v in m["spec"]["variables"]
    ]
    print(f"import of the evaluator                    {IMPORTED * 1000:8.1f} ms")
    start = time.process_time()
    environment.environment()
    print(f"the CEL environment                        {(time.process_time() - start) * 1000:8.1f} ms")
    start = time.process_time()
    evaluate_each(manifests, request)
    took = (time.process_time() - start) * 1000
    print(f"the first pod, which compiles its policy   {took:8.1f} ms ({len(variables)} variables)")
    assert request.object is not None
    bad = pod(request.object, 1, 0)
    bad["spec"]["hostPID"] = True
    cases = {"a pod that is allowed": request.object, "a pod that is refused": bad}
    policies = [m for m in manifests if m["kind"] == "ValidatingAdmissionPolicy" and matches_resource(m, request)]
    print(f"{'':32}{'size':>11}{'time':>11} {'one after the other':>20}")
    cases |= {f"a pod of {n} containers": pod(request.object, n, 20) for n in (1, 4, 16, 64)}
    for title, manifest in cases.items():
        asked = Request(manifest, namespace="treasury")
        took = microseconds(lambda asked=asked: evaluate_each(manifests, asked))  # type: ignore[misc]
        plain = microseconds(lambda asked=asked: [refused(p, asked) for p in policies], 20)  # type: ignore[misc]
        verdicts = [v for _, v in evaluate_each(manifests, asked)]
        outcome = (
            "an error" if any(v.error for v in verdicts) else f"{sum(len(v.violations) for v in verdicts)} violations"
        )
        print(f"{title:32}{len(json.dumps(manifest)) / 1000:8.1f} kB {took:8.0f} us {plain / took:5.1f}x   {outcome}")
    print(f"memory grown by 5,000 evaluations          {memory(manifests, request, 5000) / 1000:8.1f} kB")


if __name__ == "__main__":
    main()
