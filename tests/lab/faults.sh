# What can go wrong at a site, on demand; sourced by lab.
# shellcheck shell=bash disable=SC2016  # the scripts in single quotes run inside a machine

# drop [MACHINE]: the server's side cuts every SSH connection, as a 12-hour rule does
cmd_drop() {
	local machine
	for machine in cluster bastion; do
		[ $# = 0 ] || [ "$1" = $machine ] || continue
		inside $machine root sh -c 'ps -eo pid=,args= | awk -v user="$1" '\''$0 ~ "sshd: " user {print $1}'\'' | while read -r pid; do kill -9 "$pid" 2>/dev/null || :; done' \
			sh "$REMOTE_USER"
	done
}

# shellcheck disable=SC2120  # the arguments are the operator's
# moab latency=SECONDS timeout_pct=N after=0|1; nothing: no faults
cmd_moab() {
	: >"$RUN/ctl/moab.conf"
	[ $# = 0 ] || printf '%s\n' "$@" >"$RUN/ctl/moab.conf"
}

# node down|up|slurmd|slurmd-off NODE...: crash or revive compute nodes, or the slurmd of each alone
cmd_node() {
	local action=${1:-} node known=' '
	local usage="lab node down|up|slurmd|slurmd-off NODE..."
	[ $# -gt 1 ] || die "$usage"
	shift
	for node in $(node_names); do known+="$node "; done
	for node; do [[ $known == *" $node "* ]] || die "$usage: there is no $node"; done
	case $action in
	down) # every process of a node shares its UTS namespace
		inside cluster root bash -c 'for node; do
				uts=$(readlink "/proc/$(cat "/run/slurmd-$node.pid")/ns/uts") || exit 1
				rm -f "/run/slurmd-$node.pid"
				found=1
				# what is being started meanwhile is found by the next round
				until [ -z "$found" ]; do
					found=
					for p in /proc/[0-9]*; do [ "$(readlink "$p/ns/uts")" != "$uts" ] || { kill -9 "${p#/proc/}"; found=1; }; done
				done
			done' bash "$@"
		;;
	up)
		inside cluster root bash -c '. /opt/lab/slurm.sh
			for node; do slurmd_start "$node"; scontrol update nodename="$node" state=resume 2>/dev/null; done; true' bash "$@"
		;;
	slurmd) # what runs there lives on
		inside cluster root bash -c '. /opt/lab/slurm.sh
			for node; do slurmd_anew "$node" & all+=($!); done
			for one in "${all[@]}"; do wait "$one" || exit; done' bash "$@"
		;;
	slurmd-off)
		inside cluster root bash -c '. /opt/lab/slurm.sh; for node; do slurmd_kill "$node" || exit; done' bash "$@"
		;;
	*) die "$usage" ;;
	esac
}

# slurmctld stop|start: while it is stopped each Slurm command hangs 9 s, then fails
cmd_slurmctld() {
	case ${1:-} in
	stop)
		inside cluster root sh -c 'pid=$(cat /run/slurmctld.pid); kill "$pid"; while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done; rm -f /run/slurmctld.pid'
		;;
	start)
		inside cluster root /usr/sbin/slurmctld
		waitfor 20 "slurmctld" inside cluster root scontrol ping
		;;
	*) die "lab slurmctld stop|start" ;;
	esac
}

# break noise | clock=SECONDS | hide=PROGRAM | maxsessions=N: a front end that is not as it should be
cmd_break() {
	local word
	for word; do
		case $word in
		noise) # a login script that talks on standard output
			inside cluster root sh -c 'echo "echo Welcome to fe1, quota 93% used" >>"/home/$1/.bashrc"' sh "$REMOTE_USER"
			;;
		clock=*)
			inside cluster root sh -c 'printf "#!/bin/sh\nexec /usr/bin/date -d \"now %s seconds\" \"\$@\"\n" "$1" >/usr/local/bin/date
				chmod 755 /usr/local/bin/date' sh "${word#*=}"
			;;
		hide=*)
			inside cluster root sh -c 'p=$(command -v "$1") || exit 1; mv "$p" "$p.hidden"; echo "$p" >>/opt/lab/hidden' sh "${word#*=}"
			;;
		maxsessions=*) maxsessions "${word#*=}" ;;
		*) die "lab break noise | clock=SECONDS | hide=PROGRAM | maxsessions=N" ;;
		esac || die "cannot break $word"
	done
}

# mend: the front end, the nodes, the WAN and the Moab commands as after `up`, and no jobs
cmd_mend() {
	local nodes
	mapfile -t nodes < <(node_names)
	inside cluster root bash -c 'sed -i "/^echo Welcome/d" "/home/$1/.bashrc"
		rm -f /usr/local/bin/date
		[ ! -e /opt/lab/hidden ] || while read -r program; do mv "$program.hidden" "$program"; done </opt/lab/hidden
		rm -f /opt/lab/hidden
		kill -0 "$(cat /run/slurmctld.pid)" 2>/dev/null || /usr/sbin/slurmctld
		. /opt/lab/slurm.sh
		for node in "${@:2}"; do
			[ -e "/run/slurmd-$node.pid" ] || slurmd_start "$node"
		done
		sinfo -h -N -t down,drain -o %N | sort -u | xargs -rI{} scontrol update nodename={} state=resume
		scancel --user "$1"' bash "$REMOTE_USER" "${nodes[@]}" || die "cannot mend the cluster"
	maxsessions "$LAB_MAXSESSIONS"
	cmd_moab
	cmd_wan on
}

# open connections keep the limit they began with; a new listener, as HUP would leave a gap
maxsessions() {
	inside cluster root sh -c 'grep -qx "MaxSessions $1" /etc/ssh/sshd_lab_22 && exit
		for port in 22 2222; do
			sed -i "s/^MaxSessions .*/MaxSessions $1/" "/etc/ssh/sshd_lab_$port"
			pid=$(cat "/run/sshd_lab_$port.pid")
			kill "$pid"
			while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
			/usr/sbin/sshd -f "/etc/ssh/sshd_lab_$port" -E "/var/log/lab/sshd-$port.log"
		done' sh "$1"
}
