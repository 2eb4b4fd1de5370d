/* attach_empty - put the empty program on both directions of an interface, the way NTC does it.
 *
 *   attach_empty OBJECT INTERFACE PIN_PATH
 */
#include <bpf/libbpf.h>
#include <net/if.h>
#include <stdio.h>

#include "tc_hook.h"

int main(int argc, char **argv)
{
    struct bpf_object *object = argc == 4 ? bpf_object__open(argv[1]) : NULL;
    bool made_clsact;

    if (!object || bpf_object__load(object) != 0) {
        fprintf(stderr, "usage: attach_empty OBJECT INTERFACE PIN_PATH\n");
        return 2;
    }
    int fd = bpf_program__fd(bpf_object__find_program_by_name(object, "empty"));
    for (int direction = 0; direction < PACKET_DIRECTIONS; direction++) {
        struct tc_hook hook = { .pin_path = argv[3], .ifindex = if_nametoindex(argv[2]),
                                .direction = (enum packet_direction) direction };
        int rc = tc_hook_attach(&hook, fd, &made_clsact);
        if (rc != 0) {
            fprintf(stderr, "attach_empty: %s: error %d\n", argv[2], -rc);
            return 1;
        }
    }
    return 0;
}
