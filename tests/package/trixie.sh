#!/bin/bash
# Build everything and run the unit tests in a clean Debian 13 root, as a newcomer there would.
# The root is made once, in build/trixie.
set -euo pipefail
cd "$(dirname "$0")/../.."

root=$PWD/build/trixie
packages=$(make -s -f - packages <<'EOF'
include Makefile
packages: ; @echo $(BUILD_PACKAGES)
EOF
)
if [ ! -f "$root/complete" ]; then
    echo "trixie: making a Debian 13 root"
    rm -rf "$root"
    mmdebstrap --variant=minbase --include="${packages// /,}" trixie "$root" >"$root.log" 2>&1 \
        || { tail -n 20 "$root.log" >&2; exit 1; }
    touch "$root/complete"
fi
# A copy without what was built here: nothing may come from Debian 12.
rm -rf "$root/ntc"
mkdir "$root/ntc"
tar -c --exclude=./build --exclude=./webui/node_modules --exclude=./.git . | tar -x -C "$root/ntc"
trap 'umount "$root/proc" "$root/sys"' EXIT
mount --bind /proc "$root/proc"
mount --bind /sys "$root/sys"
# shellcheck disable=SC2016  # for the shell in there
chroot "$root" env LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    sh -c 'cd /ntc && mkdir -p build && . /etc/os-release && echo "$PRETTY_NAME" \
    && make -s -j"$(nproc)" all && make -s check'
