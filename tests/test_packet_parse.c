#include "frame_bytes.h"

#include <stdlib.h>

#include "suite.h"

static enum parse_result parse(const uint8_t *data, uint32_t size, uint16_t ether_type,
                               struct parsed_packet *out)
{
    uint8_t *exact = malloc(size ? size : 1);   /* so that sanitizers see one byte too many */
    memcpy(exact, data, size);
    packet_ctx_t ctx = { exact, size };

    memset(out, 0, sizeof *out);
    enum parse_result result = packet_parse(&ctx, ether_type, 0, out);
    free(exact);
    return result;
}

/* A plausible packet: IP header of a random kind, extension headers, random rest. */
static uint32_t make_packet(uint8_t data[256], uint16_t *ret_type)
{
    static const uint8_t NEXT[] = { 0, 6, 17, 43, 44, 51, 58, 60, 132, 6, 17 };

    for (int i = 0; i < 256; i++)
        data[i] = (uint8_t) random();
    uint8_t *ip = data;
    if (random() % 3 == 0) {
        *ret_type = PARSE_ETH_VLAN;
        uint16_t inner = random() % 2 ? PARSE_ETH_IPV4 : PARSE_ETH_IPV6;
        data[2] = (uint8_t) (inner >> 8);
        data[3] = (uint8_t) inner;
        ip = data + 4;
        ip[0] = inner == PARSE_ETH_IPV4 ? 0x45 : 0x60;
    } else {
        *ret_type = random() % 2 ? PARSE_ETH_IPV4 : PARSE_ETH_IPV6;
        ip[0] = *ret_type == PARSE_ETH_IPV4 ? (uint8_t) (0x45 + random() % 11) : 0x60;
    }
    if (ip[0] >> 4 == 4) {
        ip[9] = NEXT[(size_t) random() % sizeof NEXT];
        if (random() % 4) {
            ip[6] &= 0xe0;
            ip[7] = 0;
        }
    } else {
        ip[6] = NEXT[(size_t) random() % sizeof NEXT];
        for (int at = 40; at < 200; at += 8) {
            ip[at] = NEXT[(size_t) random() % sizeof NEXT];
            ip[at + 1] = (uint8_t) (random() % 3);
        }
    }
    return (uint32_t) random() % 257;
}

/* Whatever the bytes: what is cut off a packet takes knowledge away but never changes it. */
START_TEST(a_cut_packet_says_less_but_nothing_else)
{
    srandom((unsigned) _i);
    for (int n = 0; n < 2000; n++) {
        uint8_t data[256];
        uint16_t type;
        uint32_t size = make_packet(data, &type), cut = size ? (uint32_t) random() % size : 0;
        struct parsed_packet whole, part;
        enum parse_result whole_result = parse(data, size, type, &whole);
        enum parse_result part_result = parse(data, cut, type, &part);

        if (part_result != PARSE_OK)
            continue;
        ck_assert_int_eq(whole_result, PARSE_OK);
        ck_assert_mem_eq(part.record.src_addr, whole.record.src_addr, 16);
        ck_assert_mem_eq(part.record.dst_addr, whole.record.dst_addr, 16);
        ck_assert_uint_eq(part.record.ip_version, whole.record.ip_version);
        ck_assert(part.record.src_port == 0 || part.record.src_port == whole.record.src_port);
        ck_assert(part.record.dst_port == 0 || part.record.dst_port == whole.record.dst_port);
        ck_assert(!part.whole_tcp || part.record.tcp_flags == whole.record.tcp_flags);
        ck_assert(part.whole_tcp <= whole.whole_tcp);
    }
}
END_TEST

START_TEST(bare_ip_packets_are_read_without_a_link_header)
{
    static const uint8_t UDP4[28] = { 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1,
                                      198, 51, 100, 7, 0x12, 0x34, 0, 53, 0, 8 };
    struct parsed_packet packet;

    ck_assert_int_eq(parse(UDP4, sizeof UDP4, PARSE_ETH_IPV4, &packet), PARSE_OK);
    ck_assert_uint_eq(packet.record.src_port, 0x1234);
    ck_assert_uint_eq(packet.record.dst_port, 53);
    ck_assert_uint_eq(packet.ip_bytes, 28);
    ck_assert_uint_eq(packet.header_bytes, 28);
    ck_assert_int_eq(parse(UDP4, sizeof UDP4, PARSE_ETH_IPV6, &packet), PARSE_UNREADABLE);
    ck_assert_int_eq(parse(UDP4, 19, PARSE_ETH_IPV4, &packet), PARSE_UNREADABLE);
    ck_assert_int_eq(parse(UDP4, sizeof UDP4, 0x0806, &packet), PARSE_NOT_IP);
}
END_TEST

START_TEST(a_third_tag_is_not_looked_behind)
{
    static const uint8_t TAGS[12] = { 0, 1, 0x81, 0, 0, 2, 0x81, 0, 0, 3, 0x08, 0 };
    struct parsed_packet packet;

    ck_assert_int_eq(parse(TAGS, sizeof TAGS, PARSE_ETH_QINQ, &packet), PARSE_NOT_IP);
    ck_assert_uint_eq(packet.record.vlan, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("packet_parse");
    TCase *tcase = tcase_create("bytes");

    tcase_add_loop_test(tcase, a_cut_packet_says_less_but_nothing_else, 0, 10);
    tcase_add_test(tcase, bare_ip_packets_are_read_without_a_link_header);
    tcase_add_test(tcase, a_third_tag_is_not_looked_behind);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
