"""The BPF programs on an interface, by tcx or as clsact filters, as the kernel lists them.

bpftool shows tcx only since 7.3, which Debian 12 does not have; so this asks the kernel itself
(linux/bpf.h: BPF_PROG_QUERY, BPF_PROG_GET_FD_BY_ID, BPF_OBJ_GET_INFO_BY_FD).
"""

import contextlib
import ctypes
import os
import platform
import re
import socket
import struct
import subprocess

PROG_GET_FD_BY_ID, OBJ_GET_INFO_BY_FD, PROG_QUERY = 13, 15, 16
TCX_INGRESS, TCX_EGRESS = 46, 47
NAME_AT, INFO_BYTES, MOST = 64, 232, 64     # of struct bpf_prog_info; BPF_MPROG_MAX
SYS_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attributes):
    """The system call; `attributes` is changed in place.  Returns its result, or -errno."""
    result = libc.syscall(SYS_BPF, command, attributes, ctypes.sizeof(attributes))
    return result if result >= 0 else -ctypes.get_errno()


def name_of(program_id):
    asked = ctypes.create_string_buffer(struct.pack("=III", program_id, 0, 0), 12)
    fd = bpf(PROG_GET_FD_BY_ID, asked)
    if fd < 0:
        return ""
    info = ctypes.create_string_buffer(INFO_BYTES)
    result = bpf(OBJ_GET_INFO_BY_FD, ctypes.create_string_buffer(
        struct.pack("=IIQ", fd, INFO_BYTES, ctypes.addressof(info)), 16))
    os.close(fd)
    return info.raw[NAME_AT:NAME_AT + 16].split(b"\0")[0].decode() if result == 0 else ""


def tcx_programs(device):
    """Names in this thread's network namespace; none on a kernel without tcx."""
    found = set()
    for hook in (TCX_INGRESS, TCX_EGRESS):
        ids = (ctypes.c_uint32 * MOST)()
        query = ctypes.create_string_buffer(struct.pack(
            "=IIIIQIIQQQQ", socket.if_nametoindex(device), hook, 0, 0, ctypes.addressof(ids), MOST, 0,
            0, 0, 0, 0), 64)
        if bpf(PROG_QUERY, query) == 0:
            count = struct.unpack_from("=I", query, 24)[0]
            found |= {name_of(ids[i]) for i in range(count)}
    return found


def clsact_programs(device):
    shown = "".join(subprocess.run(["tc", "filter", "show", "dev", device, where],
                                   capture_output=True, text=True, check=False).stdout
                    for where in ("ingress", "egress"))
    return set(re.findall(r"\bname (\S+)", shown))


@contextlib.contextmanager
def inside(namespace):
    """This thread is in the network namespace at that path: sockets made here stay there."""
    with open("/proc/thread-self/ns/net") as own, open(namespace) as other:
        if libc.setns(other.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            libc.setns(own.fileno(), CLONE_NEWNET)


def tc_programs(device, namespace):
    """Names of all of them on `device` of the network namespace at that path."""
    with inside(namespace):
        return tcx_programs(device) | clsact_programs(device)
