import { expect, it } from 'vitest';
import { EventRing } from './event_ring.ts';

const texts = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => JSON.stringify({ seq: from + i }));

const seqs = (ring: EventRing) => Array.from({ length: ring.size }, (_, i) => ring.newest(i)!.seq);

it('hands out the newest first', () => {
    const ring = new EventRing(5);
    ring.add(texts(0, 3));
    expect(seqs(ring)).toEqual([2, 1, 0]);
    expect(ring.newest(3)).toBeNull();
    expect(ring.newest(-1)).toBeNull();
});

it('keeps no more than its capacity, whatever comes', () => {
    const ring = new EventRing(5);
    for (let i = 0; i < 1000; i += 7) ring.add(texts(i, i + 7));
    expect(ring.total).toBe(1001);
    expect(seqs(ring)).toEqual([1000, 999, 998, 997, 996]);
});

it('forgets on clear and goes on counting', () => {
    const ring = new EventRing(5);
    ring.add(texts(0, 8));
    ring.clear();
    expect(ring.size).toBe(0);
    expect(ring.newest(0)).toBeNull();
    ring.add(texts(8, 10));
    expect(seqs(ring)).toEqual([9, 8]);
    expect(ring.total).toBe(10);
});

it('has copies that stand still', () => {
    const ring = new EventRing(3);
    ring.add(texts(0, 4));
    const copy = ring.copy();
    ring.add(texts(4, 9));
    expect(seqs(copy)).toEqual([3, 2, 1]);
    expect(seqs(ring)).toEqual([8, 7, 6]);
});

it('shows what cannot be read as nothing', () => {
    const ring = new EventRing(3);
    ring.add(['{broken', '{"seq":1}']);
    expect(ring.newest(0)?.seq).toBe(1);
    expect(ring.newest(1)).toBeNull();
});
