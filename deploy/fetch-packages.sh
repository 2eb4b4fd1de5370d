#!/bin/bash
# Download Debian packages of any architecture and suite into a folder, through apt, with a package
# state of its own: this machine's packages and sources stay as they are.
#   fetch-packages.sh [--with-dependencies] ARCH SUITE FOLDER PACKAGE...
# A PACKAGE may be a regular expression in slashes: then the newest match is taken.
# Prints the files that were fetched.
set -euo pipefail
cd "$(dirname "$0")/.."

with_dependencies=
if [ "$1" = --with-dependencies ]; then
    with_dependencies=1
    shift
fi
arch=$1 suite=$2 folder=$3
shift 3
view=$PWD/build/apt-$arch-$suite
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
# The mirror that this machine uses itself.
# shellcheck disable=SC2016  # apt's own variable
own=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -v -- '-security' | sort | uniq -c \
    | sort -rn | awk 'NR == 1 { print $2 }')
mirror=${DEBIAN_MIRROR:-$own}
if [ -z "$mirror" ]; then
    echo "fetch-packages: no Debian mirror in the sources of apt: name one in DEBIAN_MIRROR" >&2
    exit 1
fi

mkdir -p "$view"/{lists,cache/archives}/partial "$folder"
[ -f "$view/status" ] || touch "$view/status"
cat >"$view/sources.list" <<EOF
deb [signed-by=$keyring] $mirror $suite main
deb [signed-by=$keyring] $mirror-security $suite-security main
EOF
cat >"$view/apt.conf" <<EOF
APT::Architecture "$arch";
APT::Architectures { "$arch"; };
Acquire::Languages "none";
Dir::State "$view";
Dir::State::lists "$view/lists";
Dir::State::status "$view/status";
Dir::Cache "$view/cache";
Dir::Etc::sourcelist "$view/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::main "/dev/null";
EOF
export APT_CONFIG=$view/apt.conf

# Once a day is enough.
if [ -z "$(find "$view/updated" -mmin -1440 2>/dev/null)" ]; then
    apt-get update -q >"$view/apt.log" 2>&1 || { tail -n 5 "$view/apt.log" >&2; exit 1; }
    touch "$view/updated"
fi

names=()
for package in "$@"; do
    if [[ $package == /*/ ]]; then
        name=$(apt-cache pkgnames | grep -E "^${package:1:-1}\$" | sort -V | tail -n 1)
        [ -n "$name" ] || { echo "fetch-packages: nothing matches $package in $suite" >&2; exit 1; }
        package=$name
    fi
    names+=("$package")
done

if [ -n "$with_dependencies" ]; then
    apt-get install -q -y --download-only --no-install-recommends "${names[@]}" >"$view/apt.log" 2>&1 \
        || { tail -n 5 "$view/apt.log" >&2; exit 1; }
    cp -u "$view"/cache/archives/*.deb "$folder/"
    ls "$folder"/*.deb
else
    for name in "${names[@]}"; do
        found=$(find "$folder" -name "${name}_*_$arch.deb" -print -quit)
        if [ -z "$found" ]; then
            (cd "$folder" && apt-get download -q "$name" >"$view/apt.log" 2>&1) \
                || { tail -n 5 "$view/apt.log" >&2; exit 1; }
            found=$(find "$folder" -name "${name}_*_$arch.deb" -print -quit)
        fi
        echo "$found"
    done
fi
