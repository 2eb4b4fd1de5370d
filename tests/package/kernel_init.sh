#!/bin/busybox sh
# PID 1 of the virtual machine in test_kernels.py: a cable between two network namespaces, NTC on one
# end, and what it counts and blocks.  Says what it finds as "@name value" lines, then powers off.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mkdir -p /sys/fs/bpf
mount -t bpf bpf /sys/fs/bpf
for module in /lib/*.ko; do
    [ ! -e "$module" ] || insmod "$module" || echo "@insmod-failed $module"
done
say() { echo "@$1 $2"; }
echo     # the firmware left its line unfinished
say kernel "$(uname -r)"
ip link set lo up

unshare -n sleep 10000 &
peer=$!
sleep 0.5
ip link add port type veth
other=$(ls /sys/class/net | grep veth)
ip link set "$other" netns $peer
in_peer() { nsenter -t $peer -n "$@"; }
ip addr add 198.51.100.1/24 dev port
ip link set port up
in_peer ip link set lo up
for host in 2 3 130; do
    in_peer ip addr add 198.51.100.$host/24 dev "$other"
done
in_peer ip link set "$other" up

options="--set network.interfaces=[port] --set persistence.path=/tmp/lists.json --set server.listen=127.0.0.1"
echo '{"blacklist": ["198.51.100.3", "198.51.100.128/25"], "whitelist": []}' >/tmp/lists.json
collector() {
    # shellcheck disable=SC2086  # words on purpose
    NTC_DEBUG=1 ntc-collector $options >>/tmp/collector.log 2>&1 &
    collector=$!
}
ready() {
    for _ in $(seq 300); do
        wget -q -O /dev/null http://127.0.0.1:8086/readyz 2>/dev/null && return 0
        kill -0 $collector 2>/dev/null || break
        sleep 0.2
    done
    echo "@not-ready 1"
}
# How many of three pings from this host of the peer are answered.
answered() {
    in_peer ping -c 3 -W 1 -I "198.51.100.$1" 198.51.100.1 | sed -n 's/.* \([0-9]*\) packets received.*/\1/p'
}
doctor() {
    # shellcheck disable=SC2086
    ntc-collector $options --doctor >/tmp/doctor.log 2>&1
    grep -E "kernel|page size|ring buffer|TC programs|attaching" /tmp/doctor.log | sed 's/^/doctor: /'
}

doctor
collector
# shellcheck disable=SC2086
ntc-aggregator $options >/tmp/aggregator.log 2>&1 &
# shellcheck disable=SC2086
ntc-gateway $options >/tmp/gateway.log 2>&1 &
ready
say free "$(answered 2)"
say blocked-host "$(answered 3)"
say blocked-prefix "$(answered 130)"
kill -9 $collector
wait $collector
say blocked-while-away "$(answered 3)"
say free-while-away "$(answered 2)"
collector
sleep 3
ready
say blocked-after-restart "$(answered 3)"
sleep 3
wget -q -O - http://127.0.0.1:8086/metrics | grep -E '^ntc_(packets_total.*icmp|ledger_difference|lost_packets|interface_attached|unparsed)' \
    | sed 's/^/@/'
cat /tmp/*.log
sync
poweroff -f
