/** What the views show, derived from objects as the API server sends them. A field of the wrong type reads as absent. */
import { values } from './jsonpath';

export const NODE_PREFIX = 'daulat.node-restriction.kubernetes.io/';
export const ZONE_LABEL = NODE_PREFIX + 'zone';
export const MODEL_LABEL = 'daulat.dev/model';
/** Labels under the prefix that name no policy. */
const RESERVED = new Set(['zone', 'site']);

export type Raw = Record<string, any>;

export interface Row {
  [column: string]: string;
}

// Control characters, zero-width characters and those that turn the direction of text: a name must not look like another one.
// eslint-disable-next-line no-control-regex
const UNSEEN =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/** Returns a string of the cluster as it may be shown, with unseen characters as escapes. */
export function shown(value: unknown): string {
  const text =
    typeof value === 'string'
      ? value
      : value === undefined || value === null
      ? ''
      : typeof value === 'object'
      ? JSON.stringify(value)
      : String(value);
  return text.replace(UNSEEN, c => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'));
}

function list(value: unknown): any[] {
  return Array.isArray(value) ? value : [];
}

function strings(value: unknown): string[] {
  return list(value).filter(each => typeof each === 'string');
}

export function join(value: unknown): string {
  return strings(value).map(shown).join(', ');
}

/** Returns the text of a printer column, as `kubectl get` writes it. */
export function column(object: Raw, path: string): string {
  return values(object, path)
    .map(each => (Array.isArray(each) ? join(each) : shown(each)))
    .join(', ');
}

export interface Condition {
  type: string;
  status: string;
  reason: string;
  message: string;
  since: string;
  /** Whether it was written for an earlier generation of the object, so that it may not hold any more. */
  stale: boolean;
}

export function conditions(object: Raw): Condition[] {
  const generation = object?.metadata?.generation;
  return list(object?.status?.conditions)
    .filter(each => typeof each?.type === 'string')
    .map(each => ({
      type: shown(each.type),
      status: shown(each.status),
      reason: shown(each.reason),
      message: shown(each.message),
      since: shown(each.lastTransitionTime),
      stale:
        typeof generation === 'number' &&
        typeof each.observedGeneration === 'number' &&
        each.observedGeneration < generation,
    }));
}

/** Conditions that say a weakness when they are True. */
const WEAKNESSES = new Set(['WeakEvidence', 'ScopeTamperable']);

/** Returns whether a condition is good, bad or not known. */
export function verdict(condition: Condition): 'success' | 'error' | 'warning' {
  if (condition.stale || !['True', 'False'].includes(condition.status)) {
    return 'warning';
  }
  if (WEAKNESSES.has(condition.type)) {
    return condition.status === 'True' ? 'warning' : 'success';
  }
  return condition.status === 'True' ? 'success' : 'error';
}

/** Returns the state of an object by its condition Ready, or by its kind's own where it has no Ready. */
export function state(object: Raw): Condition | null {
  const found = conditions(object);
  return (
    ['Ready', 'Active', 'Accepted', 'Accounted', 'Certified', 'Found']
      .map(type => found.find(each => each.type === type))
      .find(Boolean) ?? null
  );
}

/** Returns where a model runs, by field. */
export function placement(model: Raw): Row {
  const placed = model?.status?.placement ?? {};
  return {
    Zone: shown(placed.zone),
    Accelerator: shown(placed.accelerator),
    Resource: shown(placed.resource),
    Nodes: join(placed.nodes),
    Policies: list(placed.policies)
      .map(each => shown(each?.name))
      .join(', '),
  };
}

/** Returns why the other nodes weren't chosen, the reason for the most nodes first. */
export function rejected(model: Raw): Row[] {
  return [...list(model?.status?.placement?.rejected)]
    .sort((a, b) => (Number(b?.count) || 0) - (Number(a?.count) || 0))
    .map(each => ({
      Nodes: shown(each?.count),
      Reason: shown(each?.reason),
      Sample: join(each?.sample),
    }));
}

const CONTROL = /([A-Z]{3}-[0-9]{2})(?: \(([^)]*)\))?/g;

/** Returns the controls in force of a policy, those that refuse first. */
export function controls(policy: Raw): Row[] {
  const written = policy?.status?.controlsByAction ?? {};
  return (['enforce', 'warn', 'audit'] as const).flatMap(action =>
    [...shown(written[action]).matchAll(CONTROL)].map(([, id, guards]) => ({
      Action: action[0].toUpperCase() + action.slice(1),
      Control: id,
      Judges: guards ?? '',
    }))
  );
}

const CLASSES = ['public', 'internal', 'restricted', 'confidential'];

/** Returns why a policy doesn't accept a zone, or an empty string where it does. The rules are those of `daulat.admission.zones`. */
export function rejects(policy: Raw, zone: Raw): string {
  const asked = policy?.spec?.zones ?? {};
  const spec = zone?.spec ?? {};
  const name = zone?.metadata?.name;
  const tests: [unknown, unknown, string][] = [
    [asked.names, name, 'is none of'],
    [asked.countries, spec.country, `is in ${shown(spec.country)}, outside`],
    [
      asked.operatorCountries,
      spec.operator?.country,
      `is operated from ${shown(spec.operator?.country)}, outside`,
    ],
    [
      asked.parentCountries,
      spec.operator?.ultimateParentCountry,
      `is operated by a company whose parent is in ${shown(
        spec.operator?.ultimateParentCountry
      )}, outside`,
    ],
  ];
  for (const [accepted, found, why] of tests) {
    if (strings(accepted).length && !strings(accepted).includes(found as string)) {
      return `${why} ${join(accepted)}`;
    }
  }
  const least = CLASSES.indexOf(asked.minimumDataClass);
  if (CLASSES.indexOf(spec.maximumDataClass) < least) {
    return `may handle ${shown(spec.maximumDataClass)} data at most, not ${shown(
      asked.minimumDataClass
    )}`;
  }
  return '';
}

/** Returns each zone with whether a policy's rules for zones accept it, those that it rejects last. */
export function zonesOf(policy: Raw, zones: Raw[]): Row[] {
  return zones
    .map(zone => ({ Zone: shown(zone?.metadata?.name), 'Why not': rejects(policy, zone) }))
    .sort((a, b) => Number(!!a['Why not']) - Number(!!b['Why not']) || (a.Zone < b.Zone ? -1 : 1))
    .map(row => ({
      Zone: row.Zone,
      Accepted: row['Why not'] ? 'No' : 'Yes',
      'Why not': row['Why not'],
    }));
}

/** Returns the facts of record of a zone. */
export function record(zone: Raw): Row {
  const spec = zone?.spec ?? {};
  return {
    Country: shown(spec.country),
    Facility: [spec.facility?.name, spec.facility?.unLocode].filter(Boolean).map(shown).join(', '),
    Operator: shown(spec.operator?.legalName),
    'Operator’s country': shown(spec.operator?.country),
    'Ultimate parent’s country': shown(spec.operator?.ultimateParentCountry),
    'Maximum data class': shown(spec.maximumDataClass),
    Regions: join(spec.regions),
    'Storage classes': join(spec.storageClasses),
    Registries: join(spec.registries),
    'Gateway classes': join(spec.gatewayClasses),
  };
}

/** Returns how long an exemption still lasts, of its expiry and the time now in milliseconds since the epoch. */
export function left(exemption: Raw, now: number): string {
  const until = Date.parse(exemption?.spec?.expiresAt);
  if (Number.isNaN(until)) {
    return 'no expiry that can be read';
  }
  const hours = Math.floor((until - now) / 3_600_000);
  return until <= now ? 'expired' : hours >= 48 ? `${Math.floor(hours / 24)} days` : `${hours} h`;
}

/** Returns the approvals of an exemption. */
export function approvals(exemption: Raw): Row[] {
  return list(exemption?.spec?.approvals).map(each => ({
    User: shown(each?.user),
    Reference: shown(each?.reference),
  }));
}

/** Returns a node's zone of record and the policies that it is eligible for, by its labels. */
export function nodeFacts(node: Raw): { zone: string; policies: string[] } {
  const labels: Raw = node?.metadata?.labels ?? {};
  return {
    zone: shown(labels[ZONE_LABEL]),
    policies: Object.keys(labels)
      .filter(key => key.startsWith(NODE_PREFIX) && labels[key] === 'eligible')
      .map(key => shown(key.slice(NODE_PREFIX.length)))
      .filter(name => !RESERVED.has(name))
      .sort(),
  };
}

/** Returns whether a selector of labels selects these. An operator that isn't known selects nothing. */
export function selects(selector: Raw | undefined, labels: Raw): boolean {
  return (
    !!selector &&
    Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value) &&
    list(selector.matchExpressions).every(({ key, operator, values: wanted }) => {
      const has = Object.hasOwn(labels, key);
      const among = has && strings(wanted).includes(labels[key]);
      return (
        { In: among, NotIn: !among, Exists: has, DoesNotExist: !has }[operator as string] ?? false
      );
    })
  );
}

/** Returns the policies whose selector selects a namespace, with their action. */
export function governing(namespace: Raw, policies: Raw[]): Row[] {
  const labels = namespace?.metadata?.labels ?? {};
  return policies
    .filter(policy => selects(policy?.spec?.namespaceSelector, labels))
    .map(policy => ({
      Policy: shown(policy?.metadata?.name),
      Action: shown(policy?.spec?.action || 'Enforce'),
      Enforced: column(policy, '.status.conditions[?(@.type=="Enforced")].status') || 'Unknown',
    }));
}

/** Returns why a list couldn't be read, in words, by the API server's status code. */
export function unread(what: string, status: number | undefined): string {
  if (status === 401) {
    return `${what} can't be read: you aren't signed in to this cluster.`;
  }
  if (status === 403) {
    return `${what} can't be read: you have no right to list or get them. Ask an administrator for the verbs get, list and watch.`;
  }
  if (status === 404) {
    return `${what} can't be read: this cluster doesn't have the object or its CustomResourceDefinition. Is Daulat installed?`;
  }
  return `${what} can't be read${status ? `: the API server answered ${status}` : ''}.`;
}

export interface Edge {
  id: string;
  source: string;
  target: string;
}

/** Returns the edges zone → node → model → pod between objects that are there, by UID. */
export function edges(zones: Raw[], nodes: Raw[], models: Raw[], pods: Raw[]): Edge[] {
  const byName = (objects: Raw[]) => new Map(objects.map(o => [o.metadata.name, o.metadata.uid]));
  const zoneUids = byName(zones);
  const nodeUids = byName(nodes);
  const modelUids = new Map(
    models.map(m => [`${m.metadata.namespace}/${m.metadata.name}`, m.metadata.uid])
  );
  const pairs: [string | undefined, string | undefined][] = [
    ...nodes.map(n => [zoneUids.get(n.metadata.labels?.[ZONE_LABEL]), n.metadata.uid] as any),
    ...models.flatMap(m =>
      strings(m.status?.placement?.nodes).map(name => [nodeUids.get(name), m.metadata.uid] as any)
    ),
    ...pods.map(
      p =>
        [
          modelUids.get(`${p.metadata.namespace}/${p.metadata.labels?.[MODEL_LABEL]}`),
          p.metadata.uid,
        ] as any
    ),
  ];
  return pairs.flatMap(([source, target]) =>
    source && target ? [{ id: `daulat-${source}-${target}`, source, target }] : []
  );
}
