#!/bin/bash
# Start the three programs in the foreground and stop all of them together: `make run`, `make demo`.
#   run.sh BIN_FOLDER [--demo] [options for all three, such as --config FILE or --set KEY=VALUE]
set -u

bin=$1
shift
source=()
if [ "${1:-}" = --demo ]; then
    source=(--mock)
    shift
elif [ "$(id -u)" != 0 ]; then
    echo "Watching a real interface needs root: sudo make run (make demo runs without)." >&2
    exit 1
fi

page=()
if [ -d "$bin/webui" ]; then
    page=(--ui "$bin/webui")
fi

trap 'stopping=1' INT TERM
stopping=
declare -A names
"$bin/ntc-collector" "$@" "${source[@]}" & names[$!]=ntc-collector
"$bin/ntc-aggregator" "$@" & names[$!]=ntc-aggregator
"$bin/ntc-gateway" "$@" "${page[@]}" & names[$!]=ntc-gateway

# The first that ends ends all: somebody who watches should not miss it.
wait -n -p ended
code=$?
if [ -z "$stopping" ]; then
    echo "${names[$ended]} has ended with code $code; stopping the others." >&2
fi
for pid in "${!names[@]}"; do
    kill -TERM "$pid" 2>/dev/null
done
for pid in "${!names[@]}"; do
    wait "$pid"
done
[ -n "$stopping" ] && exit 0
exit 1
