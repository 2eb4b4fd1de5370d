"""The three programs on other kernels, in virtual machines without hardware acceleration: the TC
programs load, attach to a cable, count and drop, and outlive a collector that is killed.

NTC_KERNELS="arm64-16k amd64-6.1" chooses some.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

import initramfs
from initramfs import ROOT

WORK = ROOT / "build/test-kernels"
KERNELS = {
    "amd64-6.1": ("amd64", "bookworm", r"/linux-image-6\.1\.0-[0-9]+-cloud-amd64/"),
    "amd64-6.12": ("amd64", "trixie", r"/linux-image-6\.12\.[0-9]+\+deb13-cloud-amd64/"),
    "arm64-6.1": ("arm64", "bookworm", r"/linux-image-6\.1\.0-[0-9]+-cloud-arm64/"),
    "arm64-6.12": ("arm64", "trixie", r"/linux-image-6\.12\.[0-9]+\+deb13-cloud-arm64/"),
    "arm64-16k": ("arm64", "trixie", r"/linux-image-6\.12\.[0-9]+\+deb13-arm64-16k/"),
}
QEMU = {
    "amd64": ["qemu-system-x86_64", "-cpu", "max", "-append", "console=ttyS0 panic=-1 quiet"],
    "arm64": ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a76", "-append",
              "console=ttyAMA0 panic=-1 quiet"],
}
CHOSEN = os.environ.get("NTC_KERNELS", " ".join(KERNELS)).split()


def boot(name):
    """Run the machine to its end; returns what it said."""
    arch, suite, package = KERNELS[name]
    WORK.mkdir(parents=True, exist_ok=True)
    busybox_deb = initramfs.fetch(arch, "bookworm", WORK, "busybox-static")[0]
    kernel_deb = initramfs.fetch(arch, suite, WORK, package)[0]
    busybox = initramfs.unpack(busybox_deb, WORK / f"busybox-{arch}")
    kernel = initramfs.unpack(kernel_deb, WORK / Path(kernel_deb).stem)
    binaries = [ROOT / f"build/deb-{arch}/bin/ntc-{program}"
                for program in ("collector", "aggregator", "gateway")]
    missing = [str(path) for path in binaries if not path.exists()]
    assert not missing, f"{missing} missing: make deb ARCH={arch}"
    sysroot = "/" if arch == "amd64" else ROOT / "build/sysroot-arm64"
    image, archive = initramfs.build(arch, kernel, busybox, binaries, sysroot,
                                     Path(__file__).with_name("kernel_init.sh"), WORK / name)
    done = subprocess.run(
        [*QEMU[arch], "-accel", "tcg", "-m", "1024", "-smp", "2", "-nographic", "-nic", "none",
         "-no-reboot", "-kernel", image, "-initrd", archive],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=400)
    text = done.stdout.decode(errors="replace").replace("\r", "")
    (WORK / f"{name}.log").write_text(text + done.stderr.decode(errors="replace"))
    return text


@pytest.fixture(scope="module", params=CHOSEN)
def said(request):
    text = boot(request.param)
    print(text[-6000:])
    return request.param, text, dict(re.findall(r"(?m)^@(\S+) (.*)$", text))


def test_the_kernel_is_the_one_that_was_meant(said):
    name, text, values = said
    assert values.get("kernel", "").startswith("6.1." if "6.1" == name[-3:] else "6.12."), text
    page = "16" if name == "arm64-16k" else "4"
    assert re.search(rf"doctor: ok +page size +{page} KiB", text), text


def test_the_doctor_finds_what_it_needs(said):
    for what in ("ring buffer", "TC programs", "attaching"):
        assert re.search(rf"doctor: ok +{what}", said[1]), said[1]


def test_only_what_is_listed_is_blocked(said):
    _, text, values = said
    assert values["free"] == "3", text
    assert values["blocked-host"] == "0" and values["blocked-prefix"] == "0", text


def test_a_killed_collector_leaves_the_kernel_enforcing(said):
    _, text, values = said
    assert values["blocked-while-away"] == "0" and values["free-while-away"] == "3", text
    assert values["blocked-after-restart"] == "0", text


def test_every_packet_is_counted(said):
    _, text, values = said

    def icmp(direction, action):
        name = f'ntc_packets_total{{proto="icmp",direction="{direction}",action="{action}"}}'
        return values.get(name)

    # 3 + 3 free; 3 each for host, prefix, while away, after the restart
    assert icmp("ingress", "drop") == "12", text
    assert int(icmp("ingress", "pass")) >= 6 and int(icmp("egress", "pass")) >= 6, text
    assert values["ntc_ledger_difference_packets"] == "0", text
    assert values['ntc_interface_attached{interface="port"}'] == "1", text
    assert values['ntc_lost_packets_total{stage="ring"}'] == "0", text
