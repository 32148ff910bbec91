import {
  registerDetailsViewSection,
  registerMapSource,
  registerRoute,
  registerSidebarEntry,
} from '@kinvolk/headlamp-plugin/lib';
import { KINDS } from './kinds';
import { source } from './map';
import { Details, List, Section } from './views';

registerSidebarEntry({
  parent: null,
  name: 'daulat',
  label: 'Daulat',
  icon: 'mdi:shield-lock-outline',
  url: `/daulat/${KINDS[0].plural}`,
});

for (const kind of KINDS) {
  const url = `/daulat/${kind.plural}`;
  const name = `daulat-${kind.plural}`;
  registerSidebarEntry({ parent: 'daulat', name, label: kind.kind, url });
  registerRoute({
    path: url,
    sidebar: name,
    name,
    exact: true,
    component: () => <List of={kind} />,
  });
  registerRoute({
    path: `${url}/${kind.namespaced ? ':namespace/' : ''}:name`,
    sidebar: name,
    name: `${name}-details`,
    exact: true,
    component: () => <Details of={kind} />,
  });
}

registerDetailsViewSection(Section);
registerMapSource(source);
