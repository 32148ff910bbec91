"""Writes what tells Argo CD and Flux whether an object of Daulat's kinds is healthy, from the reasons of its conditions.

Both say the same: what ``Ready`` says of the object's current generation. A reason that objects pass through is progress, an
exemption that waits for its approval is suspended, and everything else that keeps ``Ready`` from being True is a failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from daulat.api import reasons
from daulat.api.kinds import KINDS, Kind
from daulat.api.names import API_VERSION, GROUP
from daulat.api.reasons import Reason

LUA = Path("contrib/argocd/health.lua")
ARGOCD_CM = Path("contrib/argocd/argocd-cm.yaml")
FLUX = Path("contrib/flux/health-check-exprs.yaml")

SUMMARIZED = (
    *(reasons.POLICY_COMPLIANT, reasons.PLACED, reasons.WORKLOAD_READY, reasons.ROLLED_OUT),
    *(reasons.ENFORCED, reasons.COMPILED, reasons.UPHELD),
    *(reasons.CERTIFIED, reasons.FOUND, reasons.ACTIVE),
    reasons.READY,
)
"""The conditions whose reasons ``Ready`` may have."""
SUSPENDED = (reasons.NOT_APPROVED,)
"""Reasons that end by what a person decides."""
# Until the engine has applied the compiled policy as well, this is a policy's state, and no failure that would end the sync.
PROGRESS_IN_GITOPS = (reasons.OUT_OF_SYNC,)


def passing(*kinds: Kind) -> list[str]:
    """Return the reasons of ``Ready=False`` of these kinds that normally end without a change of anything."""
    transient = [r for r in reasons.REASONS.values() if r.transient or r in PROGRESS_IN_GITOPS]
    return sorted(str(r) for r in transient if _of(r, kinds))


def _of(reason: Reason, kinds: Sequence[Kind]) -> bool:
    names = {kind.kind for kind in kinds}
    return any(c in SUMMARIZED and names.intersection(c.kinds) for c in reason.conditions)


def written(header: str) -> dict[Path, str]:
    """Return each file by its path in the repository; the header says where it comes from."""
    lua = _lua()
    return {
        LUA: "".join(f"--{line.removeprefix('#')}\n" for line in header.splitlines()) + lua,
        ARGOCD_CM: header + _argocd_cm(lua),
        FLUX: header + _flux(),
    }


def _lua() -> str:
    def table(names: list[str]) -> str:
        return "".join(f"  {name} = true,\n" for name in names)

    return f"""\
-- The health of an object of a daulat.dev kind: what its condition Ready says of its current generation.
local passing = {{
{table(passing(*KINDS))}}}
local suspended = {{
{table(sorted(map(str, SUSPENDED)))}}}
local health = {{ status = "Progressing", message = "Waiting for the Daulat operator" }}
if obj.status == nil or obj.status.conditions == nil then
  return health
end
if obj.status.observedGeneration ~= obj.metadata.generation then
  health.message = "Waiting for the Daulat operator to read the last change"
  return health
end
for _, condition in ipairs(obj.status.conditions) do
  if condition.type == "Ready" then
    health.message = condition.reason .. ": " .. condition.message
    if condition.status == "True" then
      health.status = "Healthy"
    elseif condition.status == "False" and suspended[condition.reason] then
      health.status = "Suspended"
    elseif condition.status == "False" and not passing[condition.reason] then
      health.status = "Degraded"
    end
  end
end
return health
"""


def _argocd_cm(lua: str) -> str:
    """Return the part of Argo CD's ConfigMap, with the script once for each kind: names with wildcards need other keys."""
    script = "".join(f"    {line}\n" if line else "\n" for line in lua.splitlines())
    keys = "".join(f"  resource.customizations.health.{GROUP}_{kind.kind}: |\n{script}" for kind in KINDS)
    return f"""\
# Merge it into Argo CD's own ConfigMap:
#   kubectl patch configmap argocd-cm -n argocd --patch-file argocd-cm.yaml
apiVersion: v1
kind: ConfigMap
metadata:
  name: argocd-cm
data:
{keys}"""


def _flux() -> str:
    def waits(kind: Kind) -> str:
        return ", ".join(f"'{name}'" for name in [*passing(kind), *(str(r) for r in SUSPENDED if _of(r, [kind]))])

    ready = (
        "status.conditions.exists(c, c.type == 'Ready' && c.observedGeneration == metadata.generation && c.status == "
    )
    entries = "".join(
        f"""\
    - apiVersion: {API_VERSION}
      kind: {kind.kind}
      failed: >-
        {ready}'False'
        && !(c.reason in [{waits(kind)}]))
      current: >-
        {ready}'True')
"""
        for kind in KINDS
    )
    return f"""\
# Add spec to each Kustomization of kind kustomize.toolkit.fluxcd.io that applies objects of Daulat's kinds, or use it as a patch:
#   patches: [{{path: health-check-exprs.yaml, target: {{kind: Kustomization}}}}]
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: any
spec:
  wait: true
  healthCheckExprs:
{entries}"""
