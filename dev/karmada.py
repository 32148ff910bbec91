"""Writes ``contrib/karmada``: a ResourceInterpreterCustomization for each kind, by which Karmada reads status and health.

Karmada runs each script by itself, so that all kinds have the same text in them. What differs by kind is the table below.
Scripts are Lua 5.1 with its base, string, table and math libraries, as Karmada loads it (``pkg/resourceinterpreter/customized/
declarative/luavm``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent, indent

from daulat.api import reasons
from daulat.api.kinds import KINDS
from daulat.api.names import API_VERSION
from daulat.api.reasons.types import ConditionType

FOLDER = Path("contrib/karmada")


@dataclass(frozen=True)
class Interpretation:
    """What Karmada does with one kind, beside what it does with all of them."""

    sums: tuple[str, ...] = ()
    """Fields of the status that are added up over the clusters."""
    texts: str = ""
    """Lua that adds further fields to ``status``."""
    retain: str = ""
    """Lua that keeps in ``desiredObj`` what a member cluster wrote into ``observedObj``."""
    dependencies: str = ""
    """Lua that calls ``needs(kind, name)`` for what the object needs beside it in its namespace."""
    replicas: bool = False
    """Whether Karmada may divide replicas among clusters."""


_MODEL_TEXTS = """
local ready, asked
for _, item in ipairs(statusItems or {}) do
  local one, of = string.match(item.status and item.status.ready or '', '^(%d+)/(%d+)$')
  if one ~= nil then
    ready, asked = (ready or 0) + one, (asked or 0) + of
  end
  if item.status ~= nil then
    status.selector = status.selector or item.status.selector
    -- The phase of the first cluster that isn't ready; of the first one, where all are.
    if status.phase == nil or (status.phase == 'Ready' and item.status.phase ~= nil) then
      status.phase = item.status.phase
    end
  end
end
if ready ~= nil then
  status.ready = string.format('%d/%d', ready, asked)
end
"""
_MODEL_RETAIN = """
-- An autoscaler in the member cluster writes replicas. Without one they are Karmada's, unless the label says otherwise.
local labels = desiredObj.metadata.labels or {}
local kept = labels['resourcetemplate.karmada.io/retain-replicas'] == 'true'
if (kept or desiredObj.spec.autoscaling ~= nil) and observedObj.spec.replicas ~= nil then
  desiredObj.spec.replicas = observedObj.spec.replicas
end
"""
_POLICY_RETAIN = """
-- The batch of held evictions has another name in each cluster, where it is released.
local drift = observedObj.spec.drift
if drift ~= nil and drift.release ~= nil then
  desiredObj.spec.drift = desiredObj.spec.drift or {}
  desiredObj.spec.drift.release = desiredObj.spec.drift.release or drift.release
end
"""
_EXEMPTION_RETAIN = """
-- Approvals are given in the member cluster, for what is written down: what is asked for anew is approved anew.
local function same(one, other)
  if type(one) ~= 'table' or type(other) ~= 'table' then
    return one == other
  end
  for key, value in pairs(one) do
    if not same(value, other[key]) then
      return false
    end
  end
  for key in pairs(other) do
    if one[key] == nil then
      return false
    end
  end
  return true
end
for _, field in ipairs({'policy', 'controls', 'namespaces', 'reason', 'requestedBy', 'expiresAt'}) do
  if not same(desiredObj.spec[field], observedObj.spec[field]) then
    return desiredObj
  end
end
desiredObj.spec.approvals = observedObj.spec.approvals
"""
_MODEL_DEPENDENCIES = """
local spec = desiredObj.spec
for _, name in ipairs(spec.imagePullSecrets or {}) do
  needs('Secret', name)
end
if spec.engine ~= nil and spec.engine.apiKeySecret ~= nil then
  needs('Secret', spec.engine.apiKeySecret.name)
end
local fetch = spec.model.fetch
if fetch ~= nil then
  needs('Secret', fetch.secretName)
  needs('ConfigMap', fetch.caConfigMapName)
end
for _, volume in ipairs(spec.volumes or {}) do
  if volume.configMap ~= nil then
    needs('ConfigMap', volume.configMap.name)
  end
  if volume.secret ~= nil then
    needs('Secret', volume.secret.secretName)
  end
  for _, source in ipairs(volume.projected and volume.projected.sources or {}) do
    if source.configMap ~= nil then
      needs('ConfigMap', source.configMap.name)
    end
    if source.secret ~= nil then
      needs('Secret', source.secret.name)
    end
  end
end
"""
KINDS_OF: dict[str, Interpretation] = {
    "SovereignModel": Interpretation(
        ("replicas", "readyReplicas", "updatedReplicas"),
        _MODEL_TEXTS,
        _MODEL_RETAIN,
        _MODEL_DEPENDENCIES,
        replicas=True,
    ),
    "SovereigntyPolicy": Interpretation(("namespaces", "eligibleNodes"), retain=_POLICY_RETAIN),
    "SovereignZone": Interpretation(("nodes", "conflictingNodes", "devices")),
    "AcceleratorProfile": Interpretation(("nodes", "devices")),
    "SovereigntyExemption": Interpretation(retain=_EXEMPTION_RETAIN),
    "NodeAttestation": Interpretation(),
    "AcceleratorInventory": Interpretation(
        ("declared", "seen", "missing", "gone", "awaited", "unobserved", "outside", "ambiguous", "undeclared")
    ),
}

_HEALTH = """
function InterpretHealth(observedObj)
  local status = observedObj.status
  if status == nil or status.observedGeneration ~= observedObj.metadata.generation then
    return false
  end
  for _, condition in ipairs(status.conditions or {}) do
    if condition.type == 'Ready' then
      return condition.status == 'True'
    end
  end
  return false
end
"""
_REFLECTION = """
function ReflectStatus(observedObj)
  local status = {{}}
  if observedObj == nil or observedObj.status == nil then
    return status
  end
  for _, field in ipairs({fields}) do
    status[field] = observedObj.status[field]
  end
  -- By these two the aggregation knows whether the cluster has seen the present template.
  status.generation = observedObj.metadata.generation
  local annotations = observedObj.metadata.annotations or {{}}
  status.resourceTemplateGeneration = tonumber(annotations['resourcetemplate.karmada.io/generation'] or '')
  return status
end
"""
_AGGREGATION = """
-- Conditions whose good value is False. Of all others it is True.
local weaknesses = {weaknesses}

local function rank(condition)
  if condition.status == (weaknesses[condition.type] and 'False' or 'True') then
    return 1
  end
  return condition.status == 'Unknown' and 2 or 3
end

function AggregateStatus(desiredObj, statusItems)
  local generation = desiredObj.metadata.generation or 0
  local before = desiredObj.status and desiredObj.status.observedGeneration
  local status, order, worst, seen = {{}}, {{}}, {{}}, 0

  local function add(cluster, condition)
    local found = worst[condition.type]
    if found == nil then
      order[#order + 1] = condition.type
    end
    local message = cluster .. ': ' .. (condition.message or '')
    if found == nil or rank(condition) > found.rank then
      worst[condition.type] = {{rank = rank(condition), status = condition.status, reason = condition.reason,
        time = condition.lastTransitionTime, message = message}}
    elseif rank(condition) == found.rank then
      found.message = found.message .. '; ' .. message
      if condition.lastTransitionTime ~= nil and (found.time == nil or condition.lastTransitionTime > found.time) then
        found.time = condition.lastTransitionTime
      end
    end
  end

  for _, item in ipairs(statusItems or {{}}) do
    local of = item.status or {{}}
    local ready = false
    for _, condition in ipairs(of.conditions or {{}}) do
      ready = ready or condition.type == 'Ready'
      add(item.clusterName, condition)
    end
    if not ready then
      local message = item.applied == false and item.appliedMessage or 'no status yet'
      add(item.clusterName, {{type = 'Ready', status = 'Unknown', reason = 'NoStatus', message = message}})
    end
    if of.resourceTemplateGeneration == generation and of.observedGeneration ~= nil and of.generation == of.observedGeneration then
      seen = seen + 1
    end
    for _, field in ipairs({sums}) do
      if of[field] ~= nil then
        status[field] = (status[field] or 0) + of[field]
      end
    end
  end
  if #order == 0 then
    order[1] = 'Ready'
    worst.Ready = {{status = 'Unknown', reason = 'NotPropagated', message = 'in no cluster'}}
  end

  -- What a cluster says of an older template is no statement about the present one.
  status.observedGeneration = before
  if statusItems ~= nil and #statusItems > 0 and seen == #statusItems then
    status.observedGeneration = generation
  end
  status.conditions = {{}}
  for index, name in ipairs(order) do
    local found = worst[name]
    status.conditions[index] = {{
      type = name, status = found.status, reason = found.reason, message = string.sub(found.message, 1, 32768),
      lastTransitionTime = found.time or desiredObj.metadata.creationTimestamp or '1970-01-01T00:00:00Z',
      observedGeneration = status.observedGeneration,
    }}
  end
{texts}
  desiredObj.status = status
  return desiredObj
end
"""
_RETENTION = """
function Retain(desiredObj, observedObj)
{retain}
  return desiredObj
end
"""
_DEPENDENCIES = """
function GetDependencies(desiredObj)
  local found, seen = {{}}, {{}}
  local function needs(kind, name)
    if name ~= nil and name ~= '' and not seen[kind .. '/' .. name] then
      seen[kind .. '/' .. name] = true
      found[#found + 1] = {{apiVersion = 'v1', kind = kind, namespace = desiredObj.metadata.namespace, name = name}}
    end
  end
{dependencies}
  return found
end
"""
_REPLICAS = """
function GetReplicas(desiredObj)
  -- Which devices a replica takes is decided in the cluster. With an autoscaler each cluster counts for itself.
  if desiredObj.spec.autoscaling ~= nil then
    return 0, nil
  end
  return desiredObj.spec.replicas or 1, nil
end
"""
_REVISION = """
function ReviseReplica(desiredObj, desiredReplica)
  if desiredObj.spec.autoscaling == nil then
    desiredObj.spec.replicas = desiredReplica
  end
  return desiredObj
end
"""


def written() -> dict[Path, str]:
    """Return the files by their path in the repository."""
    return {FOLDER / f"{k.kind.lower()}.yaml": _file(k.kind, KINDS_OF[k.kind]) for k in KINDS}


def _file(kind: str, of: Interpretation) -> str:
    fields = ["conditions", "observedGeneration", *of.sums, *(("ready", "selector", "phase") if of.texts else ())]
    scripts = {
        "healthInterpretation": _HEALTH,
        "statusReflection": _REFLECTION.format(fields=_list(fields)),
        "statusAggregation": _AGGREGATION.format(
            weaknesses=_set(_weaknesses()), sums=_list(of.sums), texts=_body(of.texts)
        ),
    }
    if of.retain:
        scripts["retention"] = _RETENTION.format(retain=_body(of.retain))
    if of.dependencies:
        scripts["dependencyInterpretation"] = _DEPENDENCIES.format(dependencies=_body(of.dependencies))
    if of.replicas:
        scripts |= {"replicaResource": _REPLICAS, "replicaRevision": _REVISION}
    text = "".join(
        f"    {name}:\n      luaScript: |\n{indent(_stripped(script), ' ' * 8)}\n" for name, script in scripts.items()
    )
    return (
        '# Generated by "make generate" from dev/karmada.py; do not edit. docs/how-to/karmada.md says what it is for.\n'
        "apiVersion: config.karmada.io/v1alpha1\n"
        "kind: ResourceInterpreterCustomization\n"
        f"metadata: {{name: daulat-{kind.lower()}}}\n"
        "spec:\n"
        f"  target: {{apiVersion: {API_VERSION}, kind: {kind}}}\n"
        f"  customizations:\n{text}"
    )


def _weaknesses() -> list[str]:
    types = {str(t) for t in vars(reasons).values() if isinstance(t, ConditionType) and t.good == "False"}
    return sorted(types)


def _stripped(script: str) -> str:
    return "\n".join(line.rstrip() for line in dedent(script).strip("\n").splitlines() if line.strip() or line == "")


def _body(lines: str) -> str:
    return indent(lines.strip("\n"), "  ")


def _list(items: Iterable[str]) -> str:
    return "{" + ", ".join(f"'{i}'" for i in items) + "}"


def _set(items: Iterable[str]) -> str:
    return "{" + ", ".join(f"{json.loads(json.dumps(i))} = true" for i in items) + "}"
