#!/bin/bash
# Unpack the libraries that NTC is linked with, of another architecture, into a folder for the cross
# compiler.  Installing them would replace this machine's own -dev packages.
#   make-sysroot.sh ARCH FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."

arch=$1 folder=$2
packages=(libc6-dev libbpf-dev libelf-dev zlib1g-dev libzmq3-dev libczmq-dev libcivetweb-dev
    libprotobuf-c-dev libyaml-dev libjansson-dev check linux-libc-dev)
stamp=$folder/complete

[ ! -f "$stamp" ] || exit 0
echo "make-sysroot: unpacking the $arch libraries"
# shellcheck disable=SC1091
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
deploy/fetch-packages.sh --with-dependencies "$arch" "$suite" "build/debs-$arch" "${packages[@]}" >/dev/null
info=$folder/var/lib/ntc
rm -rf "$folder"
mkdir -p "$folder/usr/lib" "$folder/usr/bin" "$folder/usr/sbin" "$info"
ln -s usr/lib usr/bin usr/sbin "$folder/"
for deb in "build/debs-$arch"/*.deb; do
    dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$folder" --keep-directory-symlink
    dpkg-deb --ctrl-tarfile "$deb" | tar -x -O ./shlibs >"$info/$(basename "$deb" .deb).shlibs" \
        2>/dev/null || rm "$info/$(basename "$deb" .deb).shlibs"
done
# Absolute links would leave the sysroot.
find "$folder" -type l -lname '/*' -print0 | while IFS= read -r -d '' link; do
    ln -snf "$(realpath -m --relative-to="$(dirname "$link")" "$folder$(readlink "$link")")" "$link"
done
touch "$stamp"
