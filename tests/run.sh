#!/bin/bash
# Every test, one stage after the other; all stages run even if one fails.  The last line sums up the
# runners' own counts.
set -u
cd "$(dirname "$0")/.." || exit 1

if [ "$(id -u)" != 0 ]; then
    echo "The tests load TC programs and make network namespaces: sudo make test" >&2
    exit 1
fi
jobs=$(nproc)
log=build/test.log
: >"$log"
failed_stages=

stage() {
    local title=$1
    shift
    printf '\n== %s\n' "$title" | tee -a "$log"
    "$@" </dev/null 2>&1 | tee -a "$log"
    if [ "${PIPESTATUS[0]}" != 0 ]; then
        failed_stages="$failed_stages, $title"
    fi
}

build() { make -s -j"$jobs" "$@"; }

stage "build" build all
stage "unit tests" build check
stage "unit tests under ASan and UBSan" build SAN=1 check
stage "TC programs in the kernel" build check-bpf
stage "lint" build lint
stage "end to end" build check-e2e

# Check prints "Checks: N, Failures: N, Errors: N", pytest "N passed, N failed" in any order.
count() { grep -oE "$1" "$log" | grep -oE '[0-9]+' | awk '{ sum += $1 } END { print sum + 0 }'; }
checks=$(count 'Checks: [0-9]+')
check_bad=$(($(count 'Failures: [0-9]+') + $(count 'Errors: [0-9]+')))
pytest_passed=$(grep -E '^=*[ ]*([0-9]+ failed, )?[0-9]+ passed' "$log" | grep -oE '[0-9]+ passed' \
    | awk '{ sum += $1 } END { print sum + 0 }')
pytest_failed=$(grep -E '(passed|failed|error).* in [0-9.]+s' "$log" | grep -oE '[0-9]+ (failed|error)' \
    | awk '{ sum += $1 } END { print sum + 0 }')
passed=$((checks - check_bad + pytest_passed))
failed=$((check_bad + pytest_failed))
echo
if [ -n "$failed_stages" ]; then
    echo "failed: ${failed_stages#, }"
    [ "$failed" -gt 0 ] || failed=1
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
