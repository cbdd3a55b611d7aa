# Names, addresses and settings that every part of the lab shares; sourced, never run.
# shellcheck shell=bash disable=SC2034  # the files that source this one use the variables

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

: "${LAB_RTT_MS:=50}"         # round-trip time of the WAN, milliseconds
: "${LAB_RATE_MBIT:=1000}"    # bottleneck of the WAN, Mbit/s each way; 0 = none
: "${LAB_QUEUE_KB:=8192}"     # tail-drop queue in front of that bottleneck, KiB
: "${LAB_LOSS_PPM:=0}"        # random loss on the WAN, parts per million
: "${LAB_NODES:=4}"           # compute nodes, at most 99
: "${LAB_CPUS:=24}"           # CPUs that each node claims to have
: "${LAB_MAXSESSIONS:=10}"    # sshd's MaxSessions on the front end (OpenSSH's default)
: "${LAB_SESSION_MAX:=0}"     # seconds after which an SSH connection is cut; 0 = never
: "${LAB_ACCT:=0}"            # 1 = MariaDB and slurmdbd, so that sacct answers
: "${LAB_REST:=0}"            # 1 = slurmrestd on a unix socket
: "${LAB_CGROUP:=auto}"       # auto = track processes by cgroup v1 freezer where there is one; 0 = never
: "${LAB_TMPFS:=4g}"          # most that one file system of a machine may hold

RUN=/run/outrigger-lab
REMOTE_USER=lanluser
HOME_IP=10.98.0.1
BASTION_WAN_IP=10.98.0.2
BASTION_LAN_IP=10.98.1.1
CLUSTER_NET=10.98.1.0/24
FE_IP=10.98.1.10
WAN_IF=orlabwan0
WAN_IF_REMOTE=orlabwan1
LAN_IF=orlablan0
LAN_IF_CLUSTER=orlablan1
FREEZER=/sys/fs/cgroup/freezer
CGROUP_DIR=$FREEZER/outrigger-lab
MACHINES=(bastion cluster)

log() { printf '[lab %s] %s\n' "$(date +%T)" "$*" >&2; }
die() {
	log "ERROR: $*"
	exit 1
}

# unsupported WHAT MEND: this host can never carry the lab as it is
unsupported() {
	log "CANNOT RUN HERE: $1"
	log "what to do: $2"
	exit 77
}

# waitfor SECONDS WHAT CMD...
waitfor() {
	local limit=$1 what=$2 end
	shift 2
	end=$(($(date +%s%N) + limit * 1000000000))
	until "$@" >/dev/null 2>&1; do
		if [ "$(date +%s%N)" -ge "$end" ]; then
			log "timeout after $limit s: $what"
			return 1
		fi
		sleep 0.1
	done
}

netns_of() { echo "orlab-$1"; }

node_names() {
	local i
	for ((i = 1; i <= LAB_NODES; i++)); do printf 'node%02d\n' "$i"; done
}
