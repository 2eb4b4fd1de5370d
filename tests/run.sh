#!/bin/bash
# Every test, one stage after the other; all stages run even if one fails.  The last line sums up the
# runners' own counts.
set -u
cd "$(dirname "$0")/.." || exit 1

if [ "$(id -u)" != 0 ]; then
    echo "The tests load TC programs and make network namespaces: sudo make test" >&2
    exit 1
fi
export NO_COLOR=1
jobs=$(nproc)
log=build/test.log
: >"$log"
failed_stages=

# A build may use all cores.
stage() {
    local title=$1
    shift
    printf '\n== %s (%s)\n' "$title" "$(date +%T)" | tee -a "$log"
    make -s -j"$jobs" "$@" </dev/null 2>&1 | tee -a "$log"
    if [ "${PIPESTATUS[0]}" != 0 ]; then
        failed_stages="$failed_stages, $title"
    fi
}

stage "build" all
stage "lint" lint
stage "unit tests" check
stage "unit tests under ASan and UBSan" SAN=1 check
stage "TC programs in the kernel" check-bpf
stage "regression floor" bench-floor
stage "fuzz targets" -k fuzz FUZZ_S=5
stage "chaos under traffic" soak SOAK_MIN=0.7
stage "the page: build" webui
stage "the page: types, style, units" check-webui
stage "end to end" check-e2e
stage "the page in Chromium" check-webui-e2e
stage "the package for arm64" deb ARCH=arm64
stage "packages, man pages, deploy.sh" check-package
stage "unit tests on an emulated arm64" check-arm64
stage "installed on a Debian 12 that boots" test-package
stage "dashboards and alerts" test-monitoring
stage "other kernels" test-kernels NTC_KERNELS="amd64-6.1 arm64-16k"

# "Checks: N, Failures: N, Errors: N" (Check), "N failed, N passed in" (pytest), "Tests  N failed | N
# passed" (Vitest), "# pass N" (node's runner).
sum() { grep -oE "$1" "$log" | grep -oE '[0-9]+' | awk '{ all += $1 } END { print all + 0 }'; }
bad=$(($(sum 'Failures: [0-9]+') + $(sum 'Errors: [0-9]+') + $(sum '^# fail [0-9]+') \
    + $(grep -E '^ *Tests |^=*.* in [0-9.]+s' "$log" | grep -oE '[0-9]+ (failed|error)' \
        | awk '{ all += $1 } END { print all + 0 }')))
good=$(($(sum 'Checks: [0-9]+') - $(sum 'Failures: [0-9]+') - $(sum 'Errors: [0-9]+') \
    + $(sum '^# pass [0-9]+') \
    + $(grep -E '^ *Tests |^=*.* in [0-9.]+s' "$log" | grep -oE '[0-9]+ passed' \
        | awk '{ all += $1 } END { print all + 0 }')))
echo
if [ -n "$failed_stages" ]; then
    echo "failed: ${failed_stages#, }"
    [ "$bad" -gt 0 ] || bad=1
fi
echo "$good passed, $bad failed"
[ "$bad" = 0 ]
