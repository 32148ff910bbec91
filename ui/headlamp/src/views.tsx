import { K8s } from '@kinvolk/headlamp-plugin/lib';
import {
  DetailsGrid,
  NameValueTable,
  ResourceListView,
  SectionBox,
  SimpleTable,
  StatusLabel,
} from '@kinvolk/headlamp-plugin/lib/CommonComponents';
import { useParams } from 'react-router-dom';
import * as facts from './facts';
import { classOf, KINDS } from './kinds';

type Known = (typeof KINDS)[number];

function Table(props: { title: string; columns: string[]; rows: facts.Row[]; empty: string }) {
  return (
    <SectionBox title={props.title}>
      <SimpleTable
        columns={props.columns.map(label => ({ label, getter: (row: facts.Row) => row[label] }))}
        data={props.rows}
        emptyMessage={props.empty}
      />
    </SectionBox>
  );
}

function Facts({ title, rows }: { title: string; rows: facts.Row }) {
  const shown = Object.entries(rows).filter(([, value]) => value);
  return (
    <SectionBox title={title}>
      <NameValueTable rows={shown.map(([name, value]) => ({ name, value }))} />
    </SectionBox>
  );
}

/** A message of why something couldn't be read. */
function Unread({ what, error }: { what: string; error: { status?: number } }) {
  return (
    <SectionBox title={what}>
      <p role="alert">{facts.unread(what, error.status)}</p>
    </SectionBox>
  );
}

/** The list of a kind, with the columns that `kubectl get` has. */
export function List({ of }: { of: Known }) {
  const { items, errors } = of.Class.useList();
  const error = errors?.[0];
  if (error && !items?.length) {
    return <Unread what={`${of.kind} objects`} error={error} />;
  }
  return (
    <ResourceListView
      title={of.kind}
      data={items as any}
      id={`daulat-${of.plural}`}
      columns={[
        'name',
        ...(of.namespaced ? (['namespace'] as const) : []),
        ...of.columns
          .filter(column => column.type !== 'date')
          .map(column => ({
            id: column.name,
            label: column.name,
            show: !column.wide,
            getValue: (item: any) => facts.column(item.jsonData, column.path),
          })),
        'age',
      ]}
    />
  );
}

/** The state of an object with its conditions. */
export function Conditions({ object }: { object: facts.Raw }) {
  const rows = facts.conditions(object);
  return (
    <SectionBox title="Conditions">
      <SimpleTable
        emptyMessage="The operator has written none yet."
        columns={[
          { label: 'Condition', getter: (c: facts.Condition) => c.type },
          {
            label: 'Status',
            getter: (c: facts.Condition) => (
              <StatusLabel status={facts.verdict(c)}>
                {c.stale ? `${c.status} (of an earlier generation)` : c.status}
              </StatusLabel>
            ),
          },
          { label: 'Reason', getter: (c: facts.Condition) => c.reason },
          { label: 'Message', getter: (c: facts.Condition) => c.message },
          { label: 'Since', getter: (c: facts.Condition) => c.since },
        ]}
        data={rows}
      />
    </SectionBox>
  );
}

function ZonesOf({ policy }: { policy: facts.Raw }) {
  const { items, errors } = classOf('SovereignZone').useList();
  if (errors?.[0] && !items) {
    return <Unread what="Zones" error={errors[0]} />;
  }
  return (
    <Table
      title="Zones by the policy’s rules"
      columns={['Zone', 'Accepted', 'Why not']}
      rows={facts.zonesOf(
        policy,
        (items ?? []).map(zone => zone.jsonData)
      )}
      empty={items ? 'There are no zones.' : 'Loading'}
    />
  );
}

/** What a reader needs of an object beside its metadata and conditions. */
export function Body({ kind, object }: { kind: string; object: facts.Raw }) {
  switch (kind) {
    case 'SovereignModel':
      return (
        <>
          <Facts title="Where it runs" rows={facts.placement(object)} />
          <Table
            title="Why not elsewhere"
            columns={['Nodes', 'Reason', 'Sample']}
            rows={facts.rejected(object)}
            empty="No node was rejected, or the model hasn’t been placed yet."
          />
        </>
      );
    case 'SovereignZone':
      return <Facts title="Facts of record" rows={facts.record(object)} />;
    case 'SovereigntyPolicy':
      return (
        <>
          <Table
            title="Controls in force"
            columns={['Action', 'Control', 'Judges']}
            rows={facts.controls(object)}
            empty="The operator has reported none yet."
          />
          <ZonesOf policy={object} />
        </>
      );
    case 'SovereigntyExemption':
      return (
        <>
          <Facts
            title="Terms"
            rows={{
              Policy: facts.shown(object.spec?.policy),
              Controls: facts.join(object.spec?.controls),
              Namespaces: facts.join(object.spec?.namespaces),
              Reason: facts.shown(object.spec?.reason),
              'Requested by': facts.shown(object.spec?.requestedBy),
              'Time left': facts.left(object, Date.now()),
            }}
          />
          <Table
            title="Approvals"
            columns={['User', 'Reference']}
            rows={facts.approvals(object)}
            empty="Nobody has approved it."
          />
        </>
      );
    default:
      return null;
  }
}

/** The page of an object. Headlamp itself says that it isn't found or may not be read. */
export function Details({ of }: { of: Known }) {
  const { name, namespace } = useParams<{ name: string; namespace?: string }>();
  return (
    <DetailsGrid
      resourceType={of.Class}
      name={name}
      namespace={namespace}
      withEvents
      extraInfo={(item: any) => {
        const state = item && facts.state(item.jsonData);
        return state
          ? [
              {
                name: state.type,
                value: <StatusLabel status={facts.verdict(state)}>{state.status}</StatusLabel>,
              },
              { name: 'Reason', value: state.reason },
              { name: 'Message', value: state.message },
            ]
          : [];
      }}
      extraSections={(item: any) =>
        item
          ? [
              { id: 'daulat-facts', section: <Body kind={of.kind} object={item.jsonData} /> },
              { id: 'daulat-conditions', section: <Conditions object={item.jsonData} /> },
            ]
          : []
      }
    />
  );
}

function NodeSection({ node }: { node: facts.Raw }) {
  const { zone, policies } = facts.nodeFacts(node);
  return (
    <Facts
      title="Daulat"
      rows={{
        'Zone of record': zone || 'none: no zone certified it',
        'Eligible for policies': policies.join(', ') || 'none',
      }}
    />
  );
}

function Governing({ namespace }: { namespace: facts.Raw }) {
  const { items, errors } = classOf('SovereigntyPolicy').useList();
  if (errors?.[0] && !items) {
    return <Unread what="Daulat’s policies" error={errors[0]} />;
  }
  return (
    <Table
      title="Daulat’s policies of this namespace"
      columns={['Policy', 'Action', 'Enforced']}
      rows={facts.governing(
        namespace,
        (items ?? []).map(policy => policy.jsonData)
      )}
      empty={items ? 'No policy governs this namespace.' : 'Loading'}
    />
  );
}

function PodSection({ name }: { name: string }) {
  const { data, error } = K8s.ResourceClasses.Namespace.useGet(name);
  if (error) {
    return <Unread what={`Namespace ${facts.shown(name)}`} error={error} />;
  }
  return data ? <Governing namespace={data.jsonData} /> : null;
}

/** What is added to the pages of nodes, namespaces and pods. */
export function Section({ resource }: { resource?: any }) {
  switch (resource?.kind) {
    case 'Node':
      return <NodeSection node={resource.jsonData} />;
    case 'Namespace':
      return <Governing namespace={resource.jsonData} />;
    case 'Pod':
      return <PodSection name={resource.getNamespace()} />;
    default:
      return null;
  }
}
