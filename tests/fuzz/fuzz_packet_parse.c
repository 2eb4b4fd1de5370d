/* fuzz_packet_parse - any bytes behind any EtherType: none is read outside, no port made up. */
#include "frame_bytes.h"

#include <stddef.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t TYPES[] = { PARSE_ETH_IPV4, PARSE_ETH_IPV6, PARSE_ETH_VLAN,
                                      PARSE_ETH_QINQ };
    struct parsed_packet packet = { 0 };

    if (size < 1)
        return 0;
    packet_ctx_t ctx = { data + 1, (uint32_t) size - 1 };
    enum parse_result result = packet_parse(&ctx, TYPES[data[0] & 3], 0, &packet);
    if (result != PARSE_OK && (packet.record.src_port || packet.record.dst_port))
        abort();
    if (packet.transport_at == 0 && (packet.record.src_port || packet.whole_tcp))
        abort();
    return 0;
}
