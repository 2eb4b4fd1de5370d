#!/bin/bash
# Run make as the Debian package of an architecture is built: with Debian's hardening flags, in
# build/deb-ARCH, for another architecture with Debian's cross compiler and the libraries that
# deploy/make-sysroot.sh unpacks.
#   make-for.sh ARCH [words for make]
set -euo pipefail
cd "$(dirname "$0")/.."

arch=$1
shift
export DEB_BUILD_MAINT_OPTIONS=hardening=+all
words=(B="build/deb-$arch" BIN="build/deb-$arch/bin")
if [ "$arch" = "$(dpkg --print-architecture)" ]; then
    words+=(CFLAGS="$(dpkg-buildflags --get CFLAGS)" LDFLAGS="$(dpkg-buildflags --get LDFLAGS)"
        CPPFLAGS="$(dpkg-buildflags --get CPPFLAGS)")
else
    triplet=$(dpkg-architecture -a "$arch" -q DEB_HOST_MULTIARCH 2>/dev/null)
    if ! command -v "$triplet-gcc" >/dev/null; then
        echo "make-for: $triplet-gcc is missing: apt-get install gcc-${triplet//_/-}" >&2
        exit 1
    fi
    sysroot=$PWD/build/sysroot-$arch
    deploy/make-sysroot.sh "$arch" "$sysroot"
    words+=(CFLAGS="-O2 -g -fstack-protector-strong -Wformat -Werror=format-security"
        LDFLAGS="-Wl,-z,relro -Wl,-z,now"
        CPPFLAGS="$(dpkg-buildflags --get CPPFLAGS) -I$sysroot/usr/include/$triplet"
        CC="$triplet-gcc --sysroot=$sysroot" AR="$triplet-ar")
fi
# The flags of a make that runs this are for itself.
unset MAKEFLAGS MFLAGS
exec make -s "${words[@]}" "$@"
