/**
 * Reads a printer column of a CRD. Only the forms that CRDs use here are known: `.a.b`, `[0]`, `[*]` and `[?(@.key=="value")]`.
 * Nothing of a path or an object is ever run as code.
 */
const STEP = /\.([A-Za-z][A-Za-z0-9]*)|\[(\d+)\]|\[(\*)\]|\[\?\(@\.([A-Za-z]+)=="([^"]*)"\)\]/y;

/** Returns all values at a path. Throws where the path has a form that isn't known. */
export function values(object: unknown, path: string): unknown[] {
  let found: unknown[] = [object];
  STEP.lastIndex = 0;
  for (let at = 0; at < path.length; at = STEP.lastIndex) {
    STEP.lastIndex = at;
    const step = STEP.exec(path);
    if (!step) {
      throw new Error(`unknown JSONPath at ${at}: ${path}`);
    }
    const [, key, index, every, filterKey, filterValue] = step;
    found = found.flatMap(value => {
      if (key !== undefined) {
        return own(value, key);
      }
      if (!Array.isArray(value)) {
        return [];
      }
      if (every) {
        return value;
      }
      return index !== undefined
        ? value.slice(Number(index), Number(index) + 1)
        : value.filter(each => own(each, filterKey)[0] === filterValue);
    });
  }
  return found.filter(value => value !== undefined && value !== null);
}

function own(value: unknown, key: string): unknown[] {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? [(value as Record<string, unknown>)[key]]
    : [];
}
