#include "metrics_page.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "collector_totals.h"
#include "ip_addr.h"
#include "packet_words.h"

enum { MAX_LINES = 200, TOP_LISTS = 5, LEAST_ROWS = 4 };

/* The page under way. */
struct page {
    struct text_buffer *text;
    const struct metrics_input *input;
    const struct snapshot *snapshot;
    struct collector_totals *totals;    /* one per collector */
    uint32_t rows;                      /* of each top list */
};

static void family(struct page *self, const char *name, const char *type, const char *help)
{
    text_buffer_printf(self->text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_escaped(struct text_buffer *text, const char *value)
{
    for (; *value != '\0'; value++) {
        if (*value == '\n')
            text_buffer_puts(text, "\\n");
        else if (*value == '"' || *value == '\\')
            text_buffer_printf(text, "\\%c", *value);
        else
            text_buffer_append(text, value, 1);
    }
}

/* Write name{key="value",...,collector="id"}; a NULL key ends the labels, `collector` < 0 means
 * none. */
static void put_name(struct page *self, const char *name, int collector, const char *const *labels)
{
    bool with_collector = collector >= 0 && self->snapshot->collector_count > 1;
    const char *comma = "";

    text_buffer_puts(self->text, name);
    if (!with_collector && !labels[0])
        return;
    text_buffer_puts(self->text, "{");
    for (; labels[0]; labels += 2) {
        text_buffer_printf(self->text, "%s%s=\"", comma, labels[0]);
        put_escaped(self->text, labels[1]);
        text_buffer_puts(self->text, "\"");
        comma = ",";
    }
    if (with_collector) {
        text_buffer_printf(self->text, "%scollector=\"", comma);
        put_escaped(self->text, self->snapshot->collectors[collector].status.collector_id);
        text_buffer_puts(self->text, "\"");
    }
    text_buffer_puts(self->text, "}");
}

#define LABELS(...) ((const char *const[]) { __VA_ARGS__, NULL })
#define NO_LABELS ((const char *const[]) { NULL })

static void put_whole(struct page *self, const char *name, int collector, const char *const *labels,
                      uint64_t value)
{
    put_name(self, name, collector, labels);
    text_buffer_printf(self->text, " %" PRIu64 "\n", value);
}

static void put_real(struct page *self, const char *name, int collector, const char *const *labels,
                     double value)
{
    put_name(self, name, collector, labels);
    if (isfinite(value))
        text_buffer_printf(self->text, " %.10g\n", value);
    else
        text_buffer_puts(self->text, isnan(value) ? " NaN\n" : value > 0 ? " +Inf\n" : " -Inf\n");
}

/* ---- the whole ---- */

static void gauge(struct page *self, const char *name, const char *help, double value)
{
    family(self, name, "gauge", help);
    put_real(self, name, -1, NO_LABELS, value);
}

static uint64_t unanswered(const struct http_front_counters *counters)
{
    return counters->refused + counters->timed_out + counters->evicted + counters->malformed;
}

static void write_whole(struct page *self)
{
    const struct snapshot *snapshot = self->snapshot;

    family(self, "ntc_build_info", "gauge", "Version of the gateway, as a label.");
    put_whole(self, "ntc_build_info", -1, LABELS("version", NTC_VERSION), 1);
    gauge(self, "ntc_snapshot_age_seconds", "Seconds since the aggregator was heard.",
          self->input->view.age_s);
    gauge(self, "ntc_sse_clients", "Clients for live events.", self->input->sse_clients);
    family(self, "ntc_sse_missed_events_total", "counter",
           "Events that clients were told they missed.");
    put_whole(self, "ntc_sse_missed_events_total", -1, NO_LABELS, self->input->sse_missed);
    family(self, "ntc_http_unanswered_total", "counter",
           "Connections refused, or ended without an answer.");
    put_whole(self, "ntc_http_unanswered_total", -1, NO_LABELS,
              unanswered(&self->input->connections));
    family(self, "ntc_bad_messages_total", "counter", "Messages of the bus that were dropped.");
    put_whole(self, "ntc_bad_messages_total", -1, LABELS("process", "gateway"),
              self->input->view.bad_messages);
    if (self->input->view.state == PEER_AWAY)
        return;
    put_whole(self, "ntc_bad_messages_total", -1, LABELS("process", "aggregator"),
              snapshot->bad_messages);
    gauge(self, "ntc_packets_per_second", "Packets per second over the last minute.",
          snapshot->packets_per_second);
    gauge(self, "ntc_bytes_per_second", "Bytes per second over the last minute.",
          snapshot->bytes_per_second);
    gauge(self, "ntc_active_ips", "Source addresses seen in the last minute.",
          snapshot->active_ips);
    gauge(self, "ntc_active_flows", "Flows in the flow table.", snapshot->active_flows);
}

/* ---- kernel counters ---- */

/* Whether a counter stands there before its first packet, so that its rate begins at zero. */
static bool is_expected(unsigned group, unsigned action)
{
    return group != PACKET_OTHER && (action == PACKET_PASS || action == PACKET_DROP);
}

static void write_verdicts(struct page *self, const char *name, const char *help, bool is_bytes)
{
    family(self, name, "counter", help);
    for (uint32_t c = 0; c < self->snapshot->collector_count; c++) {
        for (unsigned i = 0; i < STATUS_COUNTERS; i++) {
            unsigned action = i % PACKET_ACTIONS;
            unsigned direction = i / PACKET_ACTIONS % PACKET_DIRECTIONS;
            unsigned group = i / PACKET_ACTIONS / PACKET_DIRECTIONS;
            if (self->totals[c].packets[i] == 0 && !is_expected(group, action))
                continue;
            put_whole(self, name, (int) c,
                      LABELS("proto", PACKET_GROUP_LABELS[group],
                             "direction", PACKET_DIRECTION_LABELS[direction],
                             "action", PACKET_ACTION_LABELS[action]),
                      is_bytes ? self->totals[c].bytes[i] : self->totals[c].packets[i]);
        }
    }
}

static void write_losses(struct page *self, const char *name, const char *help, bool is_bytes)
{
    family(self, name, "counter", help);
    for (uint32_t c = 0; c < self->snapshot->collector_count; c++)
        for (uint32_t i = 0; i < self->totals[c].loss_count; i++) {
            const struct loss *loss = &self->totals[c].losses[i];
            put_whole(self, name, (int) c, LABELS("stage", loss->stage),
                      is_bytes ? loss->bytes : loss->packets);
        }
}

static void write_ledger(struct page *self)
{
    write_losses(self, "ntc_lost_packets_total", "Packets that were not accounted, by stage.",
                 false);
    write_losses(self, "ntc_lost_bytes_total", "Bytes that were not accounted, by stage.", true);
    family(self, "ntc_ledger_difference_packets", "gauge", "Packets the ledger cannot explain.");
    for (uint32_t c = 0; c < self->snapshot->collector_count; c++)
        put_real(self, "ntc_ledger_difference_packets", (int) c, NO_LABELS,
                 (double) self->totals[c].difference_packets);
    family(self, "ntc_ledger_in_flight_packets", "gauge", "Packets counted and not yet accounted.");
    for (uint32_t c = 0; c < self->snapshot->collector_count; c++)
        put_whole(self, "ntc_ledger_in_flight_packets", (int) c, NO_LABELS,
                  self->totals[c].in_flight_packets);
    family(self, "ntc_unparsed_packets_total", "counter",
           "Packets whose addresses could not be read.");
    for (uint32_t c = 0; c < self->snapshot->collector_count; c++)
        put_whole(self, "ntc_unparsed_packets_total", (int) c, NO_LABELS,
                  self->snapshot->collectors[c].status.unparsed_packets);
    family(self, "ntc_not_ip_packets_total", "counter", "Packets that are not IP.");
    for (uint32_t c = 0; c < self->snapshot->collector_count; c++)
        put_whole(self, "ntc_not_ip_packets_total", (int) c, NO_LABELS,
                  self->snapshot->collectors[c].status.not_ip_packets);
}

/* ---- collectors ---- */

static void write_interfaces(struct page *self)
{
    family(self, "ntc_interface_attached", "gauge", "1 while the interface is watched.");
    for (uint32_t c = 0; c < self->snapshot->collector_count; c++) {
        const struct collector_status *status = &self->snapshot->collectors[c].status;
        for (uint32_t i = 0; i < status->interface_count; i++)
            put_whole(self, "ntc_interface_attached", (int) c,
                      LABELS("interface", status->interfaces[i].name),
                      status->interfaces[i].attached);
    }
}

static void write_lists(struct page *self)
{
    family(self, "ntc_list_entries", "gauge", "Entries in the list.");
    for (uint32_t c = 0; c < self->snapshot->collector_count; c++) {
        const struct collector_status *status = &self->snapshot->collectors[c].status;
        put_whole(self, "ntc_list_entries", (int) c, LABELS("list", "blacklist"),
                  (uint64_t) status->blacklist.hosts + status->blacklist.prefixes);
        put_whole(self, "ntc_list_entries", (int) c, LABELS("list", "whitelist"),
                  (uint64_t) status->whitelist.hosts + status->whitelist.prefixes);
    }
    family(self, "ntc_list_hits_total", "counter", "Packets decided by the list.");
    for (uint32_t c = 0; c < self->snapshot->collector_count; c++) {
        put_whole(self, "ntc_list_hits_total", (int) c, LABELS("list", "blacklist"),
                  self->totals[c].dropped_packets);
        put_whole(self, "ntc_list_hits_total", (int) c, LABELS("list", "whitelist"),
                  self->totals[c].skipped_packets);
    }
}

static double clock_error_of(const struct collector_state *state)
{
    return (double) state->clock_error_ns / NS_PER_S;
}

static double rival_of(const struct collector_state *state) { return state->has_rival; }
static double idle_of(const struct collector_state *state) { return state->idle_s; }
static double restarts_of(const struct collector_state *state) { return state->restarts; }

static void write_state(struct page *self, const char *name, const char *type, const char *help,
                        double (*value_of)(const struct collector_state *state))
{
    family(self, name, type, help);
    for (uint32_t c = 0; c < self->snapshot->collector_count; c++)
        put_real(self, name, (int) c, NO_LABELS, value_of(&self->snapshot->collectors[c]));
}

static bool has_rival(const struct snapshot *snapshot)
{
    for (uint32_t c = 0; c < snapshot->collector_count; c++)
        if (snapshot->collectors[c].has_rival)
            return true;
    return false;
}

/* What tells the states of collectors apart; the room of a page with one is for what it needs. */
static void write_states(struct page *self)
{
    bool has_several = self->snapshot->collector_count > 1;

    write_state(self, "ntc_collector_clock_error_seconds", "gauge",
                "Wall clock of the collector less that of the aggregator.", clock_error_of);
    if (has_several || has_rival(self->snapshot))
        write_state(self, "ntc_collector_rival", "gauge", "1 while another process uses its id.",
                    rival_of);
    if (!has_several)
        return;
    write_state(self, "ntc_collector_idle_seconds", "gauge", "Seconds since it counted a packet.",
                idle_of);
    write_state(self, "ntc_collector_restarts_total", "counter",
                "Restarts of the collector that the aggregator saw.", restarts_of);
}

static void write_collectors(struct page *self)
{
    family(self, "ntc_collector_up", "gauge", "1 while the aggregator hears the collector.");
    for (uint32_t c = 0; c < self->snapshot->collector_count; c++)
        put_whole(self, "ntc_collector_up", (int) c, NO_LABELS,
                  !self->snapshot->collectors[c].away);
    if (self->snapshot->unheard_count > 0)
        gauge(self, "ntc_endpoints_unheard", "Endpoints of bus.collectors where nothing is heard.",
              self->snapshot->unheard_count);
    write_states(self);
    write_interfaces(self);
    write_lists(self);
}

/* ---- the aggregator's tables ---- */

static void write_tables(struct page *self)
{
    const struct snapshot *snapshot = self->snapshot;

    family(self, "ntc_table_entries", "gauge", "Entries in a table of the aggregator.");
    for (uint32_t i = 0; i < snapshot->table_count; i++)
        put_whole(self, "ntc_table_entries", -1, LABELS("table", snapshot->tables[i].name),
                  snapshot->tables[i].size);
    family(self, "ntc_table_capacity", "gauge", "Entries that the table can hold.");
    for (uint32_t i = 0; i < snapshot->table_count; i++)
        put_whole(self, "ntc_table_capacity", -1, LABELS("table", snapshot->tables[i].name),
                  snapshot->tables[i].capacity);
    family(self, "ntc_table_evicted_total", "counter",
           "Entries pushed out or refused by a full table.");
    for (uint32_t i = 0; i < snapshot->table_count; i++)
        put_whole(self, "ntc_table_evicted_total", -1, LABELS("table", snapshot->tables[i].name),
                  snapshot->tables[i].evicted + snapshot->tables[i].refused);
}

static double packets_of(const struct address_row *row) { return row->packets_per_second; }
static double bytes_of(const struct address_row *row) { return row->bytes_per_second; }
static double ports_of(const struct address_row *row) { return row->unique_dst_ports; }
static double syn_of(const struct address_row *row) { return (double) row->syn; }
static double ack_of(const struct address_row *row) { return (double) row->ack; }

static void write_top(struct page *self, const char *name, const char *type, const char *help,
                      const struct top_rows *top, double (*value_of)(const struct address_row *row))
{
    char addr[IP_TEXT_SIZE];

    family(self, name, type, help);
    for (uint32_t i = 0; i < top->size && i < self->rows; i++) {
        ip_addr_format(top->rows[i].addr, addr);
        put_real(self, name, -1, LABELS("ip", addr), value_of(&top->rows[i]));
    }
}

/* Ten rows of each list, or less when everything else on the page of one collector has taken the
 * room. */
static uint32_t count_rows(const struct page *self)
{
    int lines = 0;

    if (self->snapshot->collector_count > 1)
        return SNAPSHOT_TOP;
    for (size_t i = 0; i < self->text->size; i++)
        lines += self->text->data[i] == '\n';
    int rows = (MAX_LINES - lines) / TOP_LISTS - 2;     /* HELP and TYPE */
    return rows > SNAPSHOT_TOP ? SNAPSHOT_TOP : rows < LEAST_ROWS ? LEAST_ROWS : (uint32_t) rows;
}

/* Two are untyped: to promtool, a gauge must not end in "_count". */
static void write_addresses(struct page *self)
{
    const struct snapshot *snapshot = self->snapshot;

    self->rows = count_rows(self);
    write_top(self, "ntc_ip_packets_per_second", "gauge",
              "Packets per second by source address, top 10.", &snapshot->top_packets, packets_of);
    write_top(self, "ntc_ip_bytes_per_second", "gauge",
              "Bytes per second by source address, top 10.", &snapshot->top_bytes, bytes_of);
    write_top(self, "ntc_ip_unique_dst_ports", "gauge",
              "Different destination ports in a minute, top 10.", &snapshot->top_ports, ports_of);
    write_top(self, "ntc_ip_syn_count", "untyped", "TCP SYN without ACK in a minute, top 10.",
              &snapshot->top_syn, syn_of);
    write_top(self, "ntc_ip_ack_count", "untyped", "TCP packets with ACK in a minute, top 10.",
              &snapshot->top_ack, ack_of);
}

/* ---- processes ---- */

static double cpu_of(const struct process_cost *cost) { return cost->cpu_seconds; }
static double memory_of(const struct process_cost *cost) { return (double) cost->resident_bytes; }
static double fds_of(const struct process_cost *cost) { return cost->open_fds; }

static void write_cost(struct page *self, const char *name, const char *type, const char *help,
                       double (*value_of)(const struct process_cost *cost))
{
    family(self, name, type, help);
    put_real(self, name, -1, LABELS("process", "gateway"), value_of(&self->input->cost));
    if (self->input->view.state == PEER_AWAY)
        return;
    put_real(self, name, -1, LABELS("process", "aggregator"), value_of(&self->snapshot->cost));
    for (uint32_t c = 0; c < self->snapshot->collector_count; c++)
        put_real(self, name, (int) c, LABELS("process", "collector"),
                 value_of(&self->snapshot->collectors[c].status.cost));
}

static void write_processes(struct page *self)
{
    write_cost(self, "ntc_process_cpu_seconds_total", "counter", "CPU time used since start.",
               cpu_of);
    write_cost(self, "ntc_process_resident_memory_bytes", "gauge", "Resident memory.", memory_of);
    write_cost(self, "ntc_process_open_fds", "gauge", "Open file descriptors.", fds_of);
}

void metrics_page_write(struct text_buffer *text, const struct metrics_input *input)
{
    const struct snapshot *snapshot = input->view.snapshot;
    struct page page = {
        .text = text, .input = input, .snapshot = snapshot,
        .totals = calloc(snapshot->collector_count + 1, sizeof *page.totals),
    };

    text->failed |= page.totals == NULL;
    if (text->failed)
        return;
    for (uint32_t c = 0; c < snapshot->collector_count; c++)
        collector_totals_add(&page.totals[c], &snapshot->collectors[c]);
    write_whole(&page);
    if (input->view.state != PEER_AWAY) {
        write_verdicts(&page, "ntc_packets_total", "Packets by verdict, from the kernel.", false);
        write_verdicts(&page, "ntc_bytes_total", "Bytes by verdict, from the kernel.", true);
        write_ledger(&page);
        write_collectors(&page);
        write_tables(&page);
    }
    write_processes(&page);
    if (input->view.state != PEER_AWAY)
        write_addresses(&page);
    free(page.totals);
}
