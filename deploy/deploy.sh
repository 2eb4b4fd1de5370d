#!/bin/bash
# Build NTC here or for a Raspberry Pi and put it there.  Settings: deploy.env beside this folder.
#   deploy.sh [--dry-run] TARGET...
# Targets:
#   local                      build all here, into execute/
#   rpi                        build the arm64 package here, copy it to the device and install it
#   rpi-build                  copy the sources to the device and build and install the package there
#   rpi-install-dependencies   install on the device what rpi-build needs
#   rpi-install-service        install the package that rpi or rpi-build left on the device again
#   rpi-install-stack          start VictoriaMetrics and Grafana on the device (Docker Compose)
# --dry-run shows the commands and runs none.  The first that fails ends all.
set -euo pipefail
cd "$(dirname "$0")/.."

dry_run=
version=$(sed -n 's/^VERSION := //p' Makefile)
package=ntc_${version}_arm64.deb
# Everything but the tests and build folders.  The page is built there only if there is no npm here.
sources=(Makefile README.md SECURITY.md aggregator bpf collector common configs deploy docs gateway proto webui)

say() { echo "deploy: $*"; }
fail() {
    echo "deploy: $*" >&2
    exit 1
}
usage() {
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0"
    exit "$1"
}

# Show a command; run it unless --dry-run.
run() {
    printf '+'
    printf ' %q' "$@"
    printf '\n'
    [ -n "$dry_run" ] || "$@" || fail "failed: $*"
}

on_device() { run ssh -o BatchMode=yes -o ConnectTimeout=10 "$RPI_HOST" "$1"; }

check_device() {
    [ -n "${RPI_HOST:-}" ] || fail "RPI_HOST is not set: cp deploy.env.example deploy.env and edit it"
    command -v ssh >/dev/null || fail "ssh is missing: apt-get install openssh-client"
    [ -z "$dry_run" ] || return 0
    local machine
    machine=$(ssh -o BatchMode=yes -o ConnectTimeout=10 "$RPI_HOST" \
        'uname -m; dpkg --print-architecture') || fail "cannot reach $RPI_HOST by ssh with a key"
    [ "$machine" = "$(printf 'aarch64\narm64')" ] \
        || fail "$RPI_HOST says \"${machine//$'\n'/, }\": NTC needs the 64 bit system"
}

install_on_device() {
    on_device "$RPI_SUDO apt-get install -y --reinstall ./$package"
    if [ -n "${NTC_INTERFACES:-}" ]; then
        on_device "$RPI_SUDO sed -i 's/^  interfaces: .*/  interfaces: $NTC_INTERFACES/' /etc/ntc/ntc.yaml \
&& $RPI_SUDO systemctl restart ntc.target"
    fi
    on_device "$RPI_SUDO ntc-collector --doctor; systemctl --no-pager status 'ntc-*' | grep -E '●|Active:'"
    say "the page: http://${RPI_HOST#*@}:8086/"
}

do_local() {
    say "building here, into execute/"
    run make -s all webui
    run rm -rf execute/webui
    run mkdir -p execute
    run cp build/bin/ntc-collector build/bin/ntc-aggregator build/bin/ntc-gateway configs/ntc.yaml execute/
    run cp -r webui/dist execute/webui
    say "sudo deploy/run.sh execute --config execute/ntc.yaml starts it"
}

do_rpi() {
    check_device
    say "building the arm64 package"
    run deploy/build-deb.sh "$version" arm64
    say "installing it on $RPI_HOST"
    run scp -q "build/$package" "$RPI_HOST:$package"
    install_on_device
}

do_rpi_build() {
    check_device
    local present=() part
    if command -v npm >/dev/null; then
        say "building the page here"
        run make -s webui
    fi
    for part in "${sources[@]}"; do
        [ ! -e "$part" ] || present+=("$part")
    done
    say "copying the sources to $RPI_HOST:$RPI_FOLDER"
    on_device "mkdir -p $RPI_FOLDER"
    run bash -c "set -o pipefail; tar -c --exclude=node_modules $(printf '%q ' "${present[@]}") \
| ssh -o BatchMode=yes $(printf '%q' "$RPI_HOST") tar -x -C $(printf '%q' "$RPI_FOLDER")"
    say "building there"
    on_device "cd $RPI_FOLDER && deploy/build-deb.sh $version && cp build/$package ~/"
    install_on_device
}

do_rpi_install_dependencies() {
    check_device
    say "installing what the build needs on $RPI_HOST"
    on_device "$RPI_SUDO apt-get update -q && $RPI_SUDO apt-get install -y --no-install-recommends \
$(make -s -f - packages <<'EOF'
include Makefile
packages: ; @echo $(BUILD_PACKAGES) dpkg-dev
EOF
)"
}

do_rpi_install_service() {
    check_device
    install_on_device
}

do_rpi_install_stack() {
    check_device
    say "copying the monitoring to $RPI_HOST:ntc-monitoring"
    on_device "command -v docker >/dev/null || { echo 'Docker is missing: see docs/monitoring.md for the way without' >&2; exit 1; }"
    on_device "mkdir -p ntc-monitoring"
    run scp -q -r deploy/monitoring/. "$RPI_HOST:ntc-monitoring/"
    on_device "cd ntc-monitoring && $RPI_SUDO docker compose up -d"
    say "Grafana: http://${RPI_HOST#*@}:3000/"
}

targets=()
for word in "$@"; do
    case $word in
        --dry-run) dry_run=1 ;;
        --help) usage 0 ;;
        local | rpi | rpi-build | rpi-install-dependencies | rpi-install-service | rpi-install-stack)
            targets+=("$word") ;;
        *) echo "deploy: \"$word\" is no target" >&2; usage 2 >&2 ;;
    esac
done
[ ${#targets[@]} -gt 0 ] || usage 2 >&2

RPI_HOST=${RPI_HOST:-}
RPI_SUDO=${RPI_SUDO-sudo}
RPI_FOLDER=${RPI_FOLDER:-ntc}
if [ -f deploy.env ]; then
    # shellcheck disable=SC1091
    . ./deploy.env
fi
for target in "${targets[@]}"; do
    "do_${target//-/_}"
done
