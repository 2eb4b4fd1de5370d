#include "row_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "ip_addr.h"
#include "packet_words.h"

const char *row_json_interface(const struct snapshot *snapshot, const char *collector_id,
                               uint32_t ifindex)
{
    for (uint32_t i = 0; i < snapshot->collector_count && ifindex != 0; i++) {
        const struct collector_status *status = &snapshot->collectors[i].status;
        if (strcmp(status->collector_id, collector_id) != 0)
            continue;
        for (uint32_t n = 0; n < status->interface_count; n++)
            if (status->interfaces[n].ifindex == ifindex)
                return status->interfaces[n].name;
    }
    return NULL;
}

static void write_addr(struct json_writer *json, const char *key, const uint8_t addr[16])
{
    char text[IP_TEXT_SIZE];

    ip_addr_format(addr, text);
    json_put_string(json, key, text);
}

void row_json_flow(struct json_writer *json, const struct flow_row *row,
                   const struct snapshot *snapshot)
{
    char flags[TCP_FLAGS_TEXT_SIZE], number[16];
    const char *interface = row_json_interface(snapshot, row->collector_id, row->ifindex);

    packet_words_tcp_flags(row->tcp_flags, flags);
    snprintf(number, sizeof number, "if%u", row->ifindex);
    json_put_object(json, NULL);
    write_addr(json, "src", row->src_addr);
    write_addr(json, "dst", row->dst_addr);
    json_put_unsigned(json, "src_port", row->src_port);
    json_put_unsigned(json, "dst_port", row->dst_port);
    json_put_string(json, "proto", PACKET_GROUP_WORDS[packet_group_of(row->protocol)]);
    json_put_unsigned(json, "protocol", row->protocol);
    json_put_string(json, "direction", PACKET_DIRECTION_WORDS[row->direction & 1]);
    json_put_string(json, "action", PACKET_ACTION_WORDS[row->action & 3]);
    json_put_unsigned(json, "ip_version", row->ip_version);
    json_put_string(json, "tcp_flags", flags);
    json_put_string(json, "interface", interface ? interface : number);
    json_put_string(json, "collector", row->collector_id);
    json_put_time(json, "first", row->first_unix_ns);
    json_put_time(json, "last", row->last_unix_ns);
    json_put_unsigned(json, "packets", row->packets);
    json_put_unsigned(json, "bytes", row->bytes);
    json_put_object_end(json);
}

void row_json_address(struct json_writer *json, const struct address_row *row)
{
    json_put_object(json, NULL);
    write_addr(json, "ip", row->addr);
    json_put_number(json, "packets_per_second", row->packets_per_second, 3);
    json_put_number(json, "bytes_per_second", row->bytes_per_second, 3);
    json_put_unsigned(json, "unique_dst_ports", row->unique_dst_ports);
    json_put_unsigned(json, "syn_count", row->syn);
    json_put_unsigned(json, "ack_count", row->ack);
    json_put_unsigned(json, "packets", row->packets);
    json_put_unsigned(json, "bytes", row->bytes);
    json_put_time(json, "last", row->last_unix_ns);
    if (row->has_seconds) {
        json_put_array(json, "packets_by_second");
        for (int i = 0; i < WINDOW_S; i++)
            json_put_unsigned(json, NULL, row->packets_by_second[i]);
        json_put_array_end(json);
        json_put_array(json, "bytes_by_second");
        for (int i = 0; i < WINDOW_S; i++)
            json_put_unsigned(json, NULL, row->bytes_by_second[i]);
        json_put_array_end(json);
    }
    json_put_object_end(json);
}

void row_json_process(struct json_writer *json, const char *key, const struct process_cost *cost)
{
    json_put_object(json, key);
    json_put_number(json, "cpu_seconds", cost->cpu_seconds, 3);
    json_put_unsigned(json, "resident_bytes", cost->resident_bytes);
    json_put_unsigned(json, "open_fds", cost->open_fds);
    json_put_object_end(json);
}

int row_json_version(const char *prefix)
{
    struct ip_prefix parsed;
    char why[160];

    return ip_prefix_parse(prefix, &parsed, why, sizeof why) == 0 ? ip_prefix_version(&parsed)
           : strchr(prefix, ':') ? 6 : 4;
}

static void write_expiry(struct json_writer *json, uint64_t expires_unix_ns, uint64_t now_unix_ns)
{
    json_put_time(json, "expires", expires_unix_ns);
    if (expires_unix_ns == 0)
        json_put_null(json, "ttl");
    else
        json_put_unsigned(json, "ttl",
                          expires_unix_ns > now_unix_ns
                              ? (expires_unix_ns - now_unix_ns + NS_PER_S - 1) / NS_PER_S
                              : 0);
}

void row_json_change_id(struct json_writer *json, uint64_t id)
{
    char text[17];

    snprintf(text, sizeof text, "%016" PRIx64, id);
    json_put_string(json, "change", text);
}

void row_json_list_entry(struct json_writer *json, const struct list_entry_row *entry,
                         uint64_t now_unix_ns)
{
    json_put_string(json, "ip", entry->prefix);
    json_put_signed(json, "version", row_json_version(entry->prefix));
    write_expiry(json, entry->expires_unix_ns, now_unix_ns);
    json_put_string(json, "reason", entry->reason);
    json_put_time(json, "added", entry->added_unix_ns);
    json_put_time(json, "unconfirmed_until", entry->unconfirmed_until_unix_ns);
    json_put_object(json, "hits");
    json_put_unsigned(json, "packets", entry->hit_packets);
    json_put_unsigned(json, "bytes", entry->hit_bytes);
    json_put_time(json, "last", entry->last_hit_unix_ns);
    json_put_object_end(json);
}
