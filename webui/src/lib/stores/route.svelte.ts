/** Which view is open with which filters; the address bar is where it is kept. */

import { formatHash, parseHash, type Route, type View } from '../filters/route.ts';

/** Parameters that stay while the view changes. */
const LASTING = ['host', 'collector'];

class RouteStore {
    #route = $state.raw<Route>({ view: 'overview', params: {} });

    constructor() {
        if (typeof window === 'undefined') return;
        const read = () => (this.#route = parseHash(location.hash));
        window.addEventListener('hashchange', read);
        read();
    }

    get view(): View {
        return this.#route.view;
    }

    get params(): Record<string, string> {
        return this.#route.params;
    }

    /** The address shown in the drawer, '' if it is closed. */
    get host(): string {
        return this.params.host ?? '';
    }

    /** The collector that everything is shown of, '' = all together. */
    get collector(): string {
        return this.params.collector ?? '';
    }

    /** The link to another view, with its own parameters. */
    link(view: View, params: Record<string, string> = {}): string {
        return formatHash({ view, params: { ...this.#lasting(), ...params } });
    }

    /** Opens another view; the back button leads here again. */
    go(view: View, params: Record<string, string> = {}): void {
        location.hash = this.link(view, params);
    }

    /** Changes parameters of this view; '' removes one. `replace`: leave no trace in the history. */
    set(changes: Record<string, string>, how: 'push' | 'replace' = 'replace'): void {
        const route = { view: this.view, params: { ...this.params, ...changes } };
        const hash = formatHash(route);
        if (hash === location.hash) return;
        if (how === 'push') history.pushState(null, '', hash);
        else history.replaceState(null, '', hash);
        this.#route = parseHash(hash);
    }

    #lasting(): Record<string, string> {
        return Object.fromEntries(LASTING.map((name) => [name, this.params[name] ?? '']));
    }
}

export const route = new RouteStore();
