/** Whether a block would lock somebody out; the reasons are shown before it is done. */

import { containsText } from './ip.ts';

/** What the gateway says of its surroundings; absent = not known. */
export interface Surroundings {
    client_ip?: string;
    host_ips?: string[];
    default_gateways?: string[];
}

/** Sentences that say why blocking `prefix` is dangerous; none if nothing is known against it. */
export function blockRisks(prefix: string, surroundings: Surroundings): string[] {
    const risks: string[] = [];
    const { client_ip: client, host_ips: hosts = [], default_gateways: gateways = [] } = surroundings;
    if (client && containsText(prefix, client))
        risks.push(`${client} is the address of this browser: you may lock yourself out of this page.`);
    for (const host of hosts)
        if (host !== client && containsText(prefix, host))
            risks.push(`${host} is an address of the router that NTC runs on: all its traffic would stop.`);
    for (const gateway of gateways)
        if (containsText(prefix, gateway))
            risks.push(`${gateway} is the default gateway: what comes from it or goes to it would stop.`);
    if (/\/0$/.test(prefix)) risks.push(`${prefix} is every address of its kind: everything would stop.`);
    return risks;
}
