#!/bin/sh
# Run a unit test built for arm64 under qemu-user, and show what it said once it has ended.  What
# fails is tried once more: emulation is slow enough to exceed limits of one second now and then.
#   emulated.sh PROGRAM
attempt() { said=$(CK_TIMEOUT_MULTIPLIER=8 qemu-aarch64-static -L build/sysroot-arm64 "$1" 2>&1); }

attempt "$1" || { printf 'tried again: %s\n%s\n' "$1" "$said" | grep -v Checks; attempt "$1"; }
code=$?
printf '%s\n' "$said"
exit $code
