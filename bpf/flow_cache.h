/* flow_cache - records on their way to the collector: alone, or merged per flow beyond the budget.
 *
 * Only programs on a CPU touch its part of the cache, so nothing here is atomic.
 */
#ifndef FLOW_CACHE_H
#define FLOW_CACHE_H

#include "flow_hash.h"
#include "maps.h"

/* A place in the ring, or NULL with the packets counted as lost. */
static __always_inline struct packet_record *reserve(struct ntc_counters *count, __u32 packets,
                                                     __u64 bytes)
{
    struct packet_record *slot = bpf_ringbuf_reserve(&ring, sizeof *slot, 0);

    if (unlikely(!slot)) {
        count->ring_lost_records++;
        count->ring_lost_packets += packets;
        count->ring_lost_bytes += bytes;
    }
    return slot;
}

static __always_inline void commit(struct ntc_settings *set, struct packet_record *slot)
{
    volatile __u32 *asleep = &set->asleep;

    if (unlikely(*asleep)) {
        *asleep = 0;
        bpf_ringbuf_submit(slot, BPF_RB_FORCE_WAKEUP);
    } else {
        bpf_ringbuf_submit(slot, BPF_RB_NO_WAKEUP);
    }
}

/* Send one record to the collector, or count it as lost. */
static __always_inline void submit(struct ntc_settings *set, struct ntc_counters *count,
                                   const struct packet_record *record, __u32 psh)
{
    struct packet_record *slot = reserve(count, record->packets, record->bytes);

    if (!slot)
        return;
    *slot = *record;
    slot->tcp_flags |= psh;
    commit(set, slot);
}

/* May this CPU send one more record of a single packet?  Generic cell rate algorithm (ITU-T I.371,
 * as virtual scheduling), but packets beyond the budget count too: a CPU with more traffic than its
 * budget merges all of it.  Some single packets among the merged ones would show nobody more, and
 * cost more than all else. */
static __always_inline int take_budget(const struct ntc_settings *set, struct ntc_cpu *cpu,
                                       __u64 now_ns)
{
    __u64 spent = cpu->spent_until_ns, most = now_ns + NTC_BURST_NS + NTC_DEBT_NS;

    if (spent < now_ns)
        spent = now_ns;
    spent += set->interval_ns;
    cpu->spent_until_ns = spent < most ? spent : most;
    return spent - now_ns <= NTC_BURST_NS;
}

/* The action's byte in the last word of an identity.  Our hosts, and so BPF, are little-endian. */
#define ACTION_SHIFT (8 * (__builtin_offsetof(struct packet_record, action) - 40))
#define ACTION_MASK (0xffull << ACTION_SHIFT)

static __always_inline __u8 action_of(const struct ntc_cache_entry *entry)
{
    return entry->identity[5] >> ACTION_SHIFT;
}

/* Whether both are the same flow, whatever was decided.  One jump: twelve would cost the verifier
 * more than they save. */
static __always_inline int is_same_flow(const struct ntc_cache_entry *entry,
                                        const struct packet_record *record)
{
    const __u64 *x = entry->identity, *y = (const __u64 *) record;

    return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[4] ^ y[4])
            | ((x[5] ^ y[5]) & ~ACTION_MASK)) == 0;
}

_Static_assert(PACKET_IDENTITY_BYTES == 6 * sizeof(__u64), "is_same_flow() compares six words");

static __always_inline struct ntc_cache_entry *find_entry(struct ntc_cache_bucket *bucket,
                                                          const struct packet_record *record)
{
    if (likely(is_same_flow(&bucket->way[0], record)))
        return &bucket->way[0];
    if (is_same_flow(&bucket->way[1], record))
        return &bucket->way[1];
    return 0;
}

static __always_inline __u64 time_of(const struct ntc_settings *set, __u64 tick)
{
    return tick * set->tick_ns + set->tick_offset_ns;
}

/* When the entry's first packet came: the high half of its tick is now's, or the one before. */
static __always_inline __u64 first_tick_of(const struct ntc_cache_entry *entry, __u64 tick)
{
    return tick - (__u32) ((__u32) tick - entry->first_tick);
}

/* Send what the entry holds; it goes on to remember the verdict. */
static __always_inline void submit_entry(struct ntc_settings *set, struct ntc_counters *count,
                                         struct ntc_cache_entry *entry, __u64 tick)
{
    __u32 packets = entry->packets & ~NTC_CACHE_PSH;
    struct packet_record *slot = reserve(count, packets, entry->bytes);

    if (slot) {
        __u64 first = first_tick_of(entry, tick);
        __builtin_memcpy(slot, entry->identity, sizeof entry->identity);
        slot->tcp_flags |= entry->packets / NTC_CACHE_PSH * PACKET_TCP_PSH;
        slot->first_ns = time_of(set, first);
        slot->last_ns = time_of(set, first + entry->ticks);
        slot->bytes = entry->bytes;
        slot->packets = packets;
        slot->zero2 = 0;
        commit(set, slot);
    }
    entry->packets = 0;
    entry->bytes = 0;
}

static __always_inline void merge(struct ntc_settings *set, struct ntc_counters *count,
                                  struct ntc_cache_entry *entry, const struct packet_record *record,
                                  __u32 psh, __u64 tick)
{
    if (unlikely(entry->packets == 0))
        entry->first_tick = (__u32) tick;
    __u32 ticks = (__u32) tick - entry->first_tick;
    entry->ticks = (__u16) ticks;
    entry->packets = (entry->packets + record->packets) | psh * (NTC_CACHE_PSH / PACKET_TCP_PSH);
    entry->bytes += (__u32) record->bytes;
    if (unlikely(entry->bytes >= NTC_CACHE_MAX_BYTES || ticks >= NTC_CACHE_MAX_TICKS))
        submit_entry(set, count, entry, tick);
}

/* The place of the colder of two flows, or NULL if it is not to be had: a flow that is seen here
 * for the first time does not push out another.  Most of those, in a scan or a flood from forged
 * addresses, never come again. */
static __always_inline struct ntc_cache_entry *make_room(struct ntc_cpu *cpu,
                                                         struct ntc_cache_bucket *bucket,
                                                         __u64 hash)
{
    __u16 *missed = &cpu->missed[flow_hash_bucket(hash) & (NTC_CACHE_BUCKETS - 1)];
    __u32 first = bucket->way[0].packets & ~NTC_CACHE_PSH;
    __u32 second = bucket->way[1].packets & ~NTC_CACHE_PSH;
    __u32 way = second < first;

    if ((way ? second : first) && *missed != flow_hash_tag(hash)) {
        *missed = flow_hash_tag(hash);
        return 0;
    }
    *missed = 0;
    __u32 bit = flow_hash_bucket(hash) * NTC_CACHE_WAYS + way;
    __u64 *word = &cpu->occupied[bit / 64 & (NTC_CACHE_WORDS - 1)];
    cpu->occupied_count += !(*word >> (bit & 63) & 1);
    *word |= 1ull << (bit & 63);
    return &bucket->way[way & (NTC_CACHE_WAYS - 1)];
}

/* Let the entry be of this flow and verdict, with this packet in it.  The first packet of what
 * people wait to see should leave at once instead; so should one that must wake the collector,
 * which flushes the others.  Returns whether the packet is in the entry. */
static __always_inline int begin_entry(struct ntc_settings *set, struct ntc_counters *count,
                                       struct ntc_cache_entry *entry,
                                       const struct packet_record *record, __u32 psh, __u64 tick)
{
    if (entry->packets)
        submit_entry(set, count, entry, tick);
    __builtin_memcpy(entry->identity, record, sizeof entry->identity);
    entry->first_tick = (__u32) tick;
    entry->ticks = 0;
    if ((record->tcp_flags & (PACKET_TCP_SYN | PACKET_TCP_FIN | PACKET_TCP_RST))
        || record->action == PACKET_DROP || *(volatile __u32 *) &set->asleep)
        return 0;
    entry->packets = record->packets | psh * (NTC_CACHE_PSH / PACKET_TCP_PSH);
    entry->bytes = (__u32) record->bytes;
    return 1;
}

struct flush_work {
    struct ntc_settings *set;
    struct ntc_cpu *cpu;
    __u64 tick;
    __u32 cpu_id;
    __u32 word;                 /* of `occupied` */
};

/* Send one entry of the word, if it is old enough. */
static long flush_entry(__u32 bit, struct flush_work *work)
{
    struct ntc_cpu *cpu = work->cpu;
    __u32 word = work->word & (NTC_CACHE_WORDS - 1);    /* masks tell the verifier the bounds */

    bit &= 63;
    if (!(cpu->occupied[word] >> bit & 1))
        return 0;
    __u32 number = word * 64 + bit;
    __u32 index = work->cpu_id * NTC_CACHE_BUCKETS + number / NTC_CACHE_WAYS;
    struct ntc_cache_bucket *bucket = bpf_map_lookup_elem(&cache, &index);
    if (!bucket)
        return 0;
    struct ntc_cache_entry *entry = &bucket->way[number & (NTC_CACHE_WAYS - 1)];
    if (time_of(work->set, first_tick_of(entry, work->tick)) >= work->set->flush_before_ns)
        return 0;
    if (entry->packets)
        submit_entry(work->set, &cpu->counters, entry, work->tick);
    __builtin_memset(entry, 0, sizeof *entry);
    cpu->occupied[word] &= ~(1ull << bit);
    cpu->occupied_count--;
    return 0;
}

/* bpf_loop() and no loop of our own in it: Linux 6.1 refuses the jump that clang makes of one. */
static long flush_word(__u32 word, struct flush_work *work)
{
    word &= NTC_CACHE_WORDS - 1;
    if (!work->cpu->occupied[word])
        return 0;
    work->word = word;
    bpf_loop(64, flush_entry, work, 0);
    return 0;
}

#endif
