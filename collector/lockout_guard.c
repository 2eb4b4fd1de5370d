#include "lockout_guard.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define FOREVER UINT64_MAX
#define NOT_LISTED 0

enum {
    TAIL_SIZE = 80,             /* for "and N more, and what to do" */
    PART_SIZE = 96,             /* for one address and who it is */
};

struct sentence {
    char *text;
    size_t size, length;
    unsigned named, left_out;
};

static struct ip_prefix prefix_of(const struct ip_addr *addr, unsigned bits)
{
    struct ip_prefix prefix = { .addr = *addr, .bits = (uint8_t) bits };

    for (unsigned i = 0; i < 16; i++)
        if (bits <= 8 * i)
            prefix.addr.bytes[i] = 0;
        else if (bits < 8 * i + 8)
            prefix.addr.bytes[i] &= (uint8_t) (0xff00u >> (bits - 8 * i));
    return prefix;
}

static uint64_t later(uint64_t a_ns, uint64_t expires_ns)
{
    uint64_t b_ns = expires_ns == 0 ? FOREVER : expires_ns;

    return a_ns > b_ns ? a_ns : b_ns;
}

/* Until when the list holds `addr`, with the edit done if there is one. */
static uint64_t listed_until(const ip_list_t *lists, enum ntc_list list, const struct ip_addr *addr,
                             const struct list_edit *edit)
{
    bool is_edited = edit && edit->list == list && ip_prefix_contains(&edit->prefix, addr->bytes);
    uint64_t until_ns = is_edited && !edit->is_removal ? later(NOT_LISTED, edit->expires_ns)
                                                       : NOT_LISTED;

    /* A prefix of all IPv6 holds no IPv4 address. */
    for (unsigned bits = ip_addr_version(addr->bytes) == 4 ? 96 : 0; bits <= 128; bits++) {
        struct ip_prefix around = prefix_of(addr, bits);
        const struct ip_list_entry *entry = ip_list_find(lists, list, &around);
        if (entry && !(is_edited && ip_prefix_compare(&around, &edit->prefix) == 0))
            until_ns = later(until_ns, entry->expires_ns);
    }
    return until_ns;
}

static bool is_cut_off(const ip_list_t *lists, const struct ip_addr *addr,
                       const struct list_edit *edit, uint64_t now_ns)
{
    uint64_t black_ns = listed_until(lists, NTC_BLACK, addr, edit);

    return black_ns > now_ns && black_ns > listed_until(lists, NTC_WHITE, addr, edit);
}

static void name(struct sentence *sentence, const struct ip_addr *addr, const char *who)
{
    char text[IP_TEXT_SIZE];

    if (sentence->length + PART_SIZE + TAIL_SIZE > sentence->size) {
        sentence->left_out++;
        return;
    }
    ip_addr_format(addr->bytes, text);
    sentence->length += (size_t) snprintf(sentence->text + sentence->length, PART_SIZE,
                                          "%s%s (%s)", sentence->named > 0 ? ", " : "", text, who);
    sentence->named++;
}

struct judgement {
    const ip_list_t *lists;
    const struct list_edit *edit;
    uint64_t now_ns;
    struct sentence sentence;
    struct address_list seen;   /* the gateway is often the DNS server: it is named once */
};

static bool is_seen(const struct address_list *seen, const struct ip_addr *addr)
{
    for (unsigned i = 0; i < seen->size; i++)
        if (memcmp(&seen->items[i], addr, sizeof *addr) == 0)
            return true;
    return false;
}

static void judge(struct judgement *self, const struct ip_addr *addr, const char *who)
{
    if (surroundings_is_local(addr) || !ip_prefix_contains(&self->edit->prefix, addr->bytes)
        || is_seen(&self->seen, addr) || is_cut_off(self->lists, addr, NULL, self->now_ns)
        || !is_cut_off(self->lists, addr, self->edit, self->now_ns))
        return;
    if (self->seen.size < SURROUNDINGS_MAX)
        self->seen.items[self->seen.size++] = *addr;
    name(&self->sentence, addr, who);
}

static void judge_all(struct judgement *self, const struct address_list *list, const char *who)
{
    for (unsigned i = 0; i < list->size; i++)
        judge(self, &list->items[i], who);
}

bool lockout_guard_refuses(const ip_list_t *lists, const struct list_edit *edit,
                           const struct surroundings *surroundings,
                           const struct ip_addr askers[LOCKOUT_ASKERS], uint64_t now_ns,
                           char *why, size_t why_size)
{
    static const char *const ASKERS[LOCKOUT_ASKERS]
        = { "who asks for it", "the gateway that asks" };
    struct judgement self = { .lists = lists, .edit = edit, .now_ns = now_ns,
                              .sentence = { .text = why, .size = why_size } };

    assert(lists && edit && surroundings && askers && why && why_size > PART_SIZE + TAIL_SIZE);

    self.sentence.length = (size_t) snprintf(why, why_size, "this would cut off ");
    for (int i = 0; i < LOCKOUT_ASKERS; i++)
        judge(&self, &askers[i], ASKERS[i]);
    judge_all(&self, &surroundings->gateways, "default gateway");
    judge_all(&self, &surroundings->name_servers, "DNS server");
    judge_all(&self, &surroundings->host, "the router itself");
    struct sentence *sentence = &self.sentence;
    if (sentence->named == 0)
        return false;
    if (sentence->left_out > 0)
        sentence->length += (size_t) snprintf(why + sentence->length, why_size - sentence->length,
                                              " and %u more", sentence->left_out);
    snprintf(why + sentence->length, why_size - sentence->length,
             "; to do it all the same, add \"force\"");
    return true;
}
