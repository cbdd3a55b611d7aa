# The WAN between home and the bastion, and the cluster's LAN; sourced by lab.
# shellcheck shell=bash

# wan_conf RTT_MS RATE_MBIT LOSS_PPM QUEUE_KB
wan_conf() {
	cat >"$RUN/wan.conf.new" <<-EOF
		delay_us $(($1 * 500))
		rate_bps $(($2 * 1000000))
		loss_ppm $3
		queue_bytes $(($4 * 1024))
	EOF
	mv "$RUN/wan.conf.new" "$RUN/wan.conf"
}

wan_pids() {
	find /proc -maxdepth 2 -path '/proc/[0-9]*/exe' -lname "$RUN/bin/wanem*" 2>/dev/null | cut -d/ -f3
}

wan_start() {
	local bastion cluster
	bastion=$(netns_of bastion) cluster=$(netns_of cluster)
	mkdir -p "$RUN/bin"
	gcc -O2 -Wall -o "$RUN/bin/wanem" "$LAB_DIR/wanem.c" || die "cannot compile wanem.c"
	wan_conf "$LAB_RTT_MS" "$LAB_RATE_MBIT" "$LAB_LOSS_PPM" "$LAB_QUEUE_KB"
	setsid "$RUN/bin/wanem" "$WAN_IF" "$WAN_IF_REMOTE" "$RUN/wan.conf" "$RUN/wan.stats" \
		>"$RUN/log/wanem.log" 2>&1 </dev/null &
	waitfor 5 "TUN interfaces" ip link show "$WAN_IF_REMOTE" ||
		die "the WAN emulator did not start: $(cat "$RUN/log/wanem.log")"
	{ ip netns add "$bastion" && ip netns add "$cluster"; } || die "cannot create network namespaces"

	ip link set "$WAN_IF_REMOTE" netns "$bastion"
	ip addr add "$HOME_IP/30" dev "$WAN_IF"
	ip link set "$WAN_IF" up txqueuelen 10000
	ip -n "$bastion" addr add "$BASTION_WAN_IP/30" dev "$WAN_IF_REMOTE"
	ip -n "$bastion" link set "$WAN_IF_REMOTE" up txqueuelen 10000
	ip -n "$bastion" link set lo up

	ip -n "$bastion" link add "$LAN_IF" type veth peer name "$LAN_IF_CLUSTER" netns "$cluster"
	ip -n "$bastion" addr add "$BASTION_LAN_IP/24" dev "$LAN_IF"
	ip -n "$bastion" link set "$LAN_IF" up
	ip -n "$cluster" addr add "$FE_IP/24" dev "$LAN_IF_CLUSTER"
	ip -n "$cluster" link set "$LAN_IF_CLUSTER" up
	ip -n "$cluster" link set lo up

	# without it the default route would carry packets for the cluster out of this host
	ip route replace unreachable "$CLUSTER_NET"
}

wan_stop() {
	local pids machine
	pids=$(wan_pids)
	if [ -n "$pids" ]; then
		# clients of the machines that just died must still get their FIN
		sleep 0.3
		# shellcheck disable=SC2086
		kill -9 $pids
		waitfor 3 "end of the WAN emulator" no_wan
	fi
	for machine in "${MACHINES[@]}"; do
		[ ! -e "/run/netns/$(netns_of "$machine")" ] || ip netns del "$(netns_of "$machine")"
	done
	ip link del "$WAN_IF" 2>/dev/null
	ip route del unreachable "$CLUSTER_NET" 2>/dev/null
	return 0
}
no_wan() { [ -z "$(wan_pids)" ]; }

# wan rtt=MS rate=MBIT loss=PPM queue=KB | off | on
cmd_wan() {
	local rtt=$LAB_RTT_MS rate=$LAB_RATE_MBIT loss=$LAB_LOSS_PPM queue=$LAB_QUEUE_KB word
	for word; do
		case $word in
		rtt=*) rtt=${word#*=} ;;
		rate=*) rate=${word#*=} ;;
		loss=*) loss=${word#*=} ;;
		queue=*) queue=${word#*=} ;;
		off) loss=1000000 ;;
		on) ;;
		*) die "lab wan [rtt=MS] [rate=MBIT] [loss=PPM] [queue=KB] | off | on" ;;
		esac
	done
	wan_conf "$rtt" "$rate" "$loss" "$queue"
	# shellcheck disable=SC2046
	kill -HUP $(wan_pids) || die "the WAN emulator is not running"
}
