import { K8s } from '@kinvolk/headlamp-plugin/lib';
import { useMemo } from 'react';
import * as facts from './facts';
import { classOf } from './kinds';

const STATUS = { success: 'success', error: 'error', warning: 'warning' } as const;

/** Zones with their nodes, the models on them, and the models' pods. What can't be read is left out. */
function useData() {
  const [zones, noZones] = classOf('SovereignZone').useList();
  const [models, noModels] = classOf('SovereignModel').useList();
  const [nodes, noNodes] = K8s.ResourceClasses.Node.useList();
  const [pods, noPods] = K8s.ResourceClasses.Pod.useList({ labelSelector: facts.MODEL_LABEL });
  return useMemo(() => {
    const loading =
      (!zones && !noZones) || (!models && !noModels) || (!nodes && !noNodes) || (!pods && !noPods);
    if (loading) {
      return null;
    }
    const all: any[] = [...(zones ?? []), ...(nodes ?? []), ...(models ?? []), ...(pods ?? [])];
    const raw = (objects: any[] | null) => (objects ?? []).map(object => object.jsonData);
    return {
      nodes: all.map(kubeObject => {
        const state = kubeObject.jsonData.apiVersion?.startsWith('daulat.dev/')
          ? facts.state(kubeObject.jsonData)
          : null;
        return {
          id: kubeObject.metadata.uid,
          kubeObject,
          label: facts.shown(kubeObject.metadata.name),
          subtitle: kubeObject.kind,
          status: state ? STATUS[facts.verdict(state)] : undefined,
        };
      }),
      edges: facts.edges(raw(zones), raw(nodes), raw(models), raw(pods)),
    };
  }, [zones, models, nodes, pods, noZones, noModels, noNodes, noPods]);
}

export const source = { id: 'daulat', label: 'Daulat', isEnabledByDefault: true, useData };
