#!/bin/sh
# Run a unit test built for arm64 under qemu-user, and show what it said once it has ended.
#   emulated.sh PROGRAM
said=$(CK_TIMEOUT_MULTIPLIER=8 qemu-aarch64-static -L build/sysroot-arm64 "$1" 2>&1)
code=$?
printf '%s\n' "$said"
exit $code
