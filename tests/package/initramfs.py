"""A kernel of a Debian package with our three programs, their libraries and busybox: what qemu boots."""

import lzma
import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULES = ("veth", "sch_ingress", "cls_bpf")
TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}


def run(*command, **options):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True,
                          text=True, **options).stdout


def fetch(arch, suite, folder, package):
    """Files of Debian packages, downloaded once."""
    return [ROOT / line for line in
            run(ROOT / "deploy/fetch-packages.sh", arch, suite, folder, package).split("\n") if line]


def unpack(deb, folder):
    if not folder.exists():
        fresh = folder.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        run("dpkg-deb", "-x", deb, fresh)
        fresh.rename(folder)
    return folder


def needed(binary):
    """Libraries that an ELF file asks for, and its interpreter."""
    text = run("readelf", "-d", "-l", binary)
    interpreter = re.findall(r"Requesting program interpreter: (.*)\]", text)
    return re.findall(r"\(NEEDED\).*\[(.*)\]", text) + [Path(path).name for path in interpreter]


def add_libraries(tree, binaries, sysroot, triplet):
    folders = [Path(sysroot) / part / triplet for part in ("usr/lib", "lib")] + [
        Path(sysroot) / part for part in ("lib64", "lib", "usr/lib")]
    (tree / "lib").mkdir(exist_ok=True)
    waiting, done = list(binaries), set()
    while waiting:
        for name in needed(waiting.pop()):
            if name in done:
                continue
            done.add(name)
            found = next(folder / name for folder in folders if (folder / name).exists())
            shutil.copy(found, tree / "lib" / name)
            waiting.append(tree / "lib" / name)


def module_files(kernel):
    """The modules we need and those they need, in the order to load them."""
    folder = next(path for lib in ("usr/lib/modules", "lib/modules")
                  for path in (kernel / lib).glob("*"))
    files = {path.name.split(".ko")[0]: path for path in folder.rglob("*.ko*")}
    order = []

    def add(name):
        path = files.get(name)
        if path is None or path in order:       # else built in
            return
        data = read_module(path)
        for part in re.findall(rb"\0depends=([^\0]*)", b"\0" + data)[:1]:
            for other in filter(None, part.decode().split(",")):
                add(other.replace("-", "_") if other not in files else other)
        order.append(path)

    for name in MODULES:
        add(name)
    return order


def read_module(path):
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def build(arch, kernel, busybox, binaries, sysroot, init, folder):
    """Make the archive; returns (kernel image, archive)."""
    shutil.rmtree(folder, ignore_errors=True)
    tree = folder / "tree"
    for part in ("bin", "proc", "sys", "dev", "tmp", "etc", "run"):
        (tree / part).mkdir(parents=True)
    (tree / "lib64").symlink_to("lib")
    shutil.copy(busybox / "bin/busybox", tree / "bin/busybox")
    shutil.copy(init, tree / "init")
    os.chmod(tree / "init", 0o755)
    for binary in binaries:
        shutil.copy(binary, tree / "bin")
        run("strip" if arch == "amd64" else f"{TRIPLETS[arch]}-strip", tree / "bin" / binary.name)
    add_libraries(tree, [tree / "bin" / binary.name for binary in binaries], sysroot,
                  TRIPLETS[arch])
    for number, path in enumerate(module_files(kernel)):
        name = path.name.split(".ko")[0]
        (tree / f"lib/{number:02}-{name}.ko").write_bytes(read_module(path))
    archive = folder / "initramfs.cpio"
    names = run("find", ".", cwd=tree)
    with open(archive, "wb") as file:
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0"], input=names.encode(),
                       stdout=file, cwd=tree, check=True)
    return next((kernel / "boot").glob("vmlinuz-*")), archive
