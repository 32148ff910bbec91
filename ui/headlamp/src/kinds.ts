import { K8s } from '@kinvolk/headlamp-plugin/lib';
import kinds from './kinds.json';

export const GROUP = 'daulat.dev';

export type Kind = (typeof kinds)[number];

const { KubeObject } = K8s.cluster;

export type DaulatClass = ReturnType<typeof make>;

function make(of: Kind) {
  return class extends KubeObject<any> {
    static kind = of.kind;
    static apiName = of.plural;
    static apiVersion = `${GROUP}/${of.version}`;
    static isNamespaced = of.namespaced;

    static get detailsRoute() {
      return `daulat-${of.plural}-details`;
    }

    static get listRoute() {
      return `daulat-${of.plural}`;
    }
  };
}

/** Each kind with its class. The kinds and their columns are written from `crds/` by `python -m dev.headlamp`. */
export const KINDS = kinds.map(kind => ({ ...kind, Class: make(kind) }));

/** Returns the class of a kind. */
export function classOf(kind: string): DaulatClass {
  const found = KINDS.find(each => each.kind === kind);
  if (!found) {
    throw new Error(`${kind} is none of Daulat's kinds`);
  }
  return found.Class;
}
