#!/bin/sh
# Install the Debian packages named as arguments that are missing.  Does nothing when all are there.
set -eu

missing=
for package in "$@"; do
    status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$status" = "install ok installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

sudo=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "These packages are missing; install them as root: apt-get install$missing" >&2
        exit 1
    fi
    sudo=sudo
fi
echo "Installing:$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086  # a list of words on purpose
$sudo apt-get update -q </dev/null >/dev/null
# shellcheck disable=SC2086
$sudo apt-get install -q -y --no-install-recommends $missing </dev/null >build/apt.log 2>&1 || {
    tail -n 20 build/apt.log >&2
    exit 1
}
