/** The place in the page as text: "#/flows?port=443&host=10.0.0.1". */

export const VIEWS = ['overview', 'live', 'flows', 'addresses', 'lists', 'settings'] as const;
export type View = (typeof VIEWS)[number];

export interface Route {
    view: View;
    params: Record<string, string>;
}

/** Reads location.hash; an unknown view is the overview, a repeated parameter counts once. */
export function parseHash(hash: string): Route {
    const text = hash.replace(/^#?\/?/, '');
    const question = text.indexOf('?');
    const name = question < 0 ? text : text.slice(0, question);
    const view = VIEWS.find((known) => known === name) ?? 'overview';
    const query = new URLSearchParams(question < 0 ? '' : text.slice(question + 1));
    return { view, params: Object.fromEntries(query) };
}

/** Parameters that are '' are left out; ':' and '/' stay readable. */
export function formatHash(route: Route): string {
    const set = Object.entries(route.params).filter(([, value]) => value !== '');
    const query = new URLSearchParams(set).toString().replaceAll('%3A', ':').replaceAll('%2F', '/');
    return `#/${route.view}${query ? `?${query}` : ''}`;
}
