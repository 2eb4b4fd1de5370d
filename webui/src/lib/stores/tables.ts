/** The tables of flows and addresses. */

import { api } from '../api/client.ts';
import type { AddressRow, FlowRow } from '../api/types.ts';
import { TablePage } from './table_page.svelte.ts';

export function flowPage(): TablePage<FlowRow> {
    return new TablePage(async (query) => {
        const { flows, total, unix_time } = await api.flows(query);
        return { rows: flows, total, unix: unix_time };
    });
}

export function addressPage(): TablePage<AddressRow> {
    return new TablePage(async (query) => {
        const { ips, total, unix_time } = await api.addresses(query);
        return { rows: ips, total, unix: unix_time };
    });
}
