import { describe, expect, test } from 'vitest';
import * as facts from './facts';
import { values } from './jsonpath';
import kinds from './kinds.json';
import cluster from './testdata/cluster.json';
import verdicts from './testdata/zones.json';

const all = cluster as facts.Raw[];

function of(kind: string): facts.Raw[] {
  return all.filter(each => each.kind === kind);
}

function named(kind: string, name: string): facts.Raw {
  const found = of(kind).find(each => each.metadata.name === name);
  if (!found) {
    throw new Error(`no ${kind} ${name}`);
  }
  return structuredClone(found);
}

describe('columns', () => {
  test('every column of every kind can be read', () => {
    for (const kind of kinds) {
      for (const column of kind.columns) {
        expect(() => values({}, column.path), column.path).not.toThrow();
        expect(values({}, column.path)).toEqual([]);
      }
    }
  });

  test('a model has the columns of kubectl get', () => {
    const model = named('SovereignModel', 'deepseek-r1');
    const columns = kinds.find(each => each.kind === 'SovereignModel')!.columns;
    const row = Object.fromEntries(columns.map(c => [c.name, facts.column(model, c.path)]));
    expect(row).toMatchObject({ Ready: '3/3', Zone: 'cyberjaya-1', Reason: 'ReplicasReady' });
  });

  test('a list of all values is joined, and an index takes one', () => {
    const object = { spec: { approvals: [{ user: 'a' }, { user: 'b' }], controls: ['X', 'Y'] } };
    expect(facts.column(object, '.spec.approvals[*].user')).toBe('a, b');
    expect(facts.column(object, '.spec.approvals[1].user')).toBe('b');
    expect(facts.column(object, '.spec.controls')).toBe('X, Y');
  });

  test('a path of another form is an error, and inherited properties are absent', () => {
    expect(() => values({}, '.a[?(@.b>1)]')).toThrow('unknown JSONPath at 2');
    expect(values({}, '.constructor.name')).toEqual([]);
  });
});

describe('hostile and malformed objects', () => {
  test('characters that turn the direction of text or can’t be seen are escapes', () => {
    expect(facts.shown('a\u202eb\u200bc\u0007')).toBe('a\\u202eb\\u200bc\\u0007');
  });

  test('a field of the wrong type reads as absent', () => {
    const wrong = { status: { conditions: 'x', placement: { rejected: 3, nodes: {} } }, spec: 7 };
    expect(facts.conditions(wrong)).toEqual([]);
    expect(facts.state(wrong)).toBeNull();
    expect(facts.rejected(wrong)).toEqual([]);
    expect(facts.placement(wrong).Nodes).toBe('');
    expect(facts.controls(wrong)).toEqual([]);
    expect(facts.left(wrong, 0)).toBe('no expiry that can be read');
  });
});

describe('conditions', () => {
  test('a model that serves is Ready', () => {
    const state = facts.state(named('SovereignModel', 'deepseek-r1'))!;
    expect([state.type, state.reason, facts.verdict(state)]).toEqual([
      'Ready',
      'ReplicasReady',
      'success',
    ]);
  });

  test('an exemption without approval is not', () => {
    const state = facts.state(named('SovereigntyExemption', 'registry-move'))!;
    expect([state.reason, facts.verdict(state)]).toEqual(['NotApproved', 'error']);
  });

  test('a weakness that isn’t there is good', () => {
    const found = facts.conditions(named('SovereignZone', 'cyberjaya-1'));
    const weak = found.find(each => each.type === 'WeakEvidence')!;
    expect(facts.verdict(weak)).toBe('success');
    expect(facts.verdict({ ...weak, status: 'True' })).toBe('warning');
  });

  test('what was written for an earlier generation isn’t taken as good', () => {
    const model = named('SovereignModel', 'deepseek-r1');
    model.metadata.generation = 2;
    const state = facts.state(model)!;
    expect([state.stale, facts.verdict(state)]).toEqual([true, 'warning']);
  });
});

describe('models', () => {
  test('where it runs', () => {
    expect(facts.placement(named('SovereignModel', 'deepseek-r1'))).toEqual({
      Zone: 'cyberjaya-1',
      Accelerator: 'huawei-ascend-910b',
      Resource: 'huawei.com/Ascend910',
      Nodes: 'ascend-1, ascend-2',
      Policies: 'confidential',
    });
  });

  test('why not elsewhere, the reason for the most nodes first', () => {
    const model = named('SovereignModel', 'deepseek-r1');
    const before = JSON.stringify(model);
    const rows = facts.rejected(model);
    expect(rows.map(row => row.Reason)).toContain('zone singapore-1 is in SG, outside MY');
    const counts = rows.map(row => Number(row.Nodes));
    expect(counts).toEqual([...counts].sort((a, b) => b - a));
    expect(JSON.stringify(model)).toBe(before);
  });
});

describe('policies', () => {
  test('controls by action', () => {
    const rows = facts.controls(named('SovereigntyPolicy', 'confidential'));
    expect(rows).toContainEqual({ Action: 'Enforce', Control: 'USE-04', Judges: 'pods' });
  });

  test('zones that are accepted, and why the others aren’t, in the operator’s words', () => {
    const rows = facts.zonesOf(named('SovereigntyPolicy', 'confidential'), of('SovereignZone'));
    expect(rows).toEqual([
      { Zone: 'cyberjaya-1', Accepted: 'Yes', 'Why not': '' },
      { Zone: 'johor-hosted', Accepted: 'No', 'Why not': 'is operated from SG, outside MY' },
      { Zone: 'singapore-1', Accepted: 'No', 'Why not': 'is in SG, outside MY' },
    ]);
  });

  test('verdicts on zones are those of the operator', () => {
    for (const { policy, zone, why } of verdicts) {
      const found = facts.rejects(policy, zone);
      expect(found && `zone ${zone.metadata.name} ${found}`).toBe(why);
    }
  });

  test('the least class of data', () => {
    const zone = named('SovereignZone', 'cyberjaya-1');
    zone.spec.maximumDataClass = 'internal';
    expect(facts.rejects(named('SovereigntyPolicy', 'confidential'), zone)).toBe(
      'may handle internal data at most, not confidential'
    );
  });

  test('a namespace is governed by its labels', () => {
    const policies = of('SovereigntyPolicy');
    expect(facts.governing(named('Namespace', 'treasury'), policies)).toEqual([
      { Policy: 'confidential', Action: 'Enforce', Enforced: 'True' },
    ]);
    expect(facts.governing({ metadata: { labels: {} } }, policies)).toEqual([]);
  });

  test('operators of selectors', () => {
    const one = (operator: string, values?: string[]) => ({
      matchExpressions: [{ key: 'a', operator, values }],
    });
    expect(facts.selects(one('In', ['1']), { a: '1' })).toBe(true);
    expect(facts.selects(one('NotIn', ['1']), {})).toBe(true);
    expect(facts.selects(one('Exists'), {})).toBe(false);
    expect(facts.selects(one('DoesNotExist'), {})).toBe(true);
    expect(facts.selects(one('Gt', ['1']), { a: '2' })).toBe(false);
    expect(facts.selects(undefined, {})).toBe(false);
  });
});

describe('zones, nodes and exemptions', () => {
  test('a zone’s facts of record', () => {
    expect(facts.record(named('SovereignZone', 'cyberjaya-1'))).toMatchObject({
      Country: 'MY',
      Facility: 'Cyberjaya DC 1, MYCBJ',
      Operator: 'Example Sdn Bhd',
    });
  });

  test('a node’s zone, and the policies that it is eligible for', () => {
    expect(facts.nodeFacts(named('Node', 'ascend-1'))).toEqual({
      zone: 'cyberjaya-1',
      policies: ['confidential'],
    });
    expect(facts.nodeFacts(named('Node', 'sg-gpu-1')).policies).toEqual([]);
    expect(facts.nodeFacts(named('Node', 'stray-1'))).toEqual({ zone: '', policies: [] });
  });

  test('time left', () => {
    const exemption = named('SovereigntyExemption', 'registry-move');
    const until = Date.parse(exemption.spec.expiresAt);
    expect(facts.left(exemption, until - 3 * 86_400_000)).toBe('3 days');
    expect(facts.left(exemption, until - 3_600_000)).toBe('1 h');
    expect(facts.left(exemption, until)).toBe('expired');
  });
});

test('missing rights and absent kinds are told apart', () => {
  expect(facts.unread('Zones', 403)).toContain('no right');
  expect(facts.unread('Zones', 404)).toContain('CustomResourceDefinition');
  expect(facts.unread('Zones', 500)).toContain('500');
});

test('the map leads from zones over nodes and models to pods', () => {
  const found = facts.edges(of('SovereignZone'), of('Node'), of('SovereignModel'), of('Pod'));
  const name = new Map(all.map(each => [each.metadata.uid, `${each.kind}/${each.metadata.name}`]));
  const pairs = found.map(each => `${name.get(each.source)} ${name.get(each.target)}`);
  expect(pairs).toContain('SovereignZone/cyberjaya-1 Node/ascend-1');
  expect(pairs).toContain('Node/ascend-1 SovereignModel/deepseek-r1');
  expect(pairs).toContain('SovereignModel/deepseek-r1 Pod/deepseek-r1-simulated-1');
  expect(pairs.some(each => each.includes('stray-1') || each.includes('undefined'))).toBe(false);
  expect(new Set(found.map(each => each.id)).size).toBe(found.length);
});
