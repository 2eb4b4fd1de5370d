import { expect, it } from 'vitest';
import { blockRisks } from './guard.ts';

const surroundings = {
    client_ip: '192.168.1.20',
    host_ips: ['192.168.1.2', '127.0.0.1', 'fe80::1'],
    default_gateways: ['192.168.1.1'],
};

it('finds nothing against a stranger', () => {
    expect(blockRisks('203.0.113.9', surroundings)).toEqual([]);
    expect(blockRisks('203.0.113.0/24', surroundings)).toEqual([]);
});

it('names the browser, the router and the default gateway', () => {
    expect(blockRisks('192.168.1.20', surroundings)).toEqual([
        expect.stringContaining('this browser'),
    ]);
    expect(blockRisks('192.168.1.2', surroundings)).toEqual([expect.stringContaining('the router')]);
    expect(blockRisks('192.168.1.1', surroundings)).toEqual([
        expect.stringContaining('default gateway'),
    ]);
});

it('looks into networks', () => {
    expect(blockRisks('192.168.0.0/16', surroundings)).toHaveLength(3);
    expect(blockRisks('0.0.0.0/0', surroundings)).toHaveLength(5);
    expect(blockRisks('::/0', surroundings)).toHaveLength(2);
});

it('does not guess what the server did not tell', () => {
    expect(blockRisks('192.168.1.1', {})).toEqual([]);
});
