# Slurm with several nodes on one host, and the front end's login environment; sourced by machine.
# shellcheck shell=bash

slurm_conf() {
	local node nodes last track=linuxproc
	# under linuxproc a process that forks twice outlives scancel and blocks its node
	[ ! -e "$FREEZER/tasks" ] || track=cgroup
	last=$(node_names | tail -1)
	nodes="node[01-${last#node}]"
	cat <<-EOF
		ClusterName=lab
		SlurmctldHost=fe1($FE_IP)
		SlurmUser=slurm
		AuthType=auth/munge
		CredType=cred/munge
		MailProg=/bin/true
		StateSaveLocation=/var/spool/slurmctld
		SlurmdSpoolDir=/var/spool/slurmd/%n
		SlurmctldPidFile=/run/slurmctld.pid
		SlurmdPidFile=/run/slurmd-%n.pid
		SlurmctldLogFile=/var/log/lab/slurmctld.log
		SlurmdLogFile=/var/log/lab/slurmd-%n.log
		SlurmctldPort=6817
		ProctrackType=proctrack/$track
		TaskPlugin=task/none
		SwitchType=switch/none
		MpiDefault=none
		ReturnToService=2
		SlurmctldTimeout=30
		SlurmdTimeout=20
		KillWait=5
		WaitTime=0
		MinJobAge=86400
		MaxJobCount=50000
		MaxArraySize=10001
		SchedulerType=sched/backfill
		SchedulerParameters=batch_sched_delay=0,sched_interval=5,bf_interval=5
		SelectType=select/cons_tres
		SelectTypeParameters=CR_CPU
		SlurmdParameters=config_overrides
		JobCompType=jobcomp/filetxt
		JobCompLoc=/var/log/lab/jobcomp.txt
		JobAcctGatherType=jobacct_gather/none
	EOF
	[ "$LAB_REST" != 1 ] || printf '%s\n' AuthAltTypes=auth/jwt AuthAltParameters=jwt_key=/etc/slurm/jwt.key
	if [ "$LAB_ACCT" = 1 ]; then
		printf '%s\n' AccountingStorageType=accounting_storage/slurmdbd AccountingStorageHost=localhost
	else
		echo AccountingStorageType=accounting_storage/none
	fi
	for node in $(node_names); do
		echo "NodeName=$node NodeHostname=fe1 NodeAddr=$FE_IP Port=$((17000 + 10#${node#node}))" \
			"CPUs=$LAB_CPUS Sockets=1 CoresPerSocket=$LAB_CPUS ThreadsPerCore=1 RealMemory=64000 State=UNKNOWN"
	done
	cat <<-EOF
		PartitionName=standard Nodes=$nodes Default=YES MaxTime=16:00:00 DefaultTime=01:00:00 State=UP OverSubscribe=EXCLUSIVE
		PartitionName=debug Nodes=node01 MaxTime=00:30:00 State=UP OverSubscribe=YES
		PartitionName=shared Nodes=$nodes MaxTime=16:00:00 State=UP OverSubscribe=YES
	EOF
}

slurm_start() {
	local node
	rm -rf /var/spool/slurmctld /var/spool/slurmd
	install -d -o slurm -g slurm /etc/slurm /var/spool/slurmctld /var/spool/slurmd
	install -d -o munge -g munge /run/munge
	install -d -m 700 -o munge -g munge /etc/munge /var/log/munge
	install -d -m 711 -o munge -g munge /var/lib/munge
	head -c 1024 /dev/urandom >/etc/munge/munge.key
	chown munge: /etc/munge/munge.key
	chmod 400 /etc/munge/munge.key
	slurm_conf >/etc/slurm/slurm.conf
	# slurmd 22.05 initialises a cgroup plugin even if nothing uses it; v1 needs no mounted hierarchy
	printf 'CgroupPlugin=cgroup/v1\nCgroupMountpoint=/sys/fs/cgroup\n' >/etc/slurm/cgroup.conf
	install -m 644 -o slurm /dev/null /var/log/lab/jobcomp.txt

	[ "$LAB_REST" != 1 ] || rest_key
	runuser -u munge -- /usr/sbin/munged --num-threads=4 || die "munged does not start"
	[ "$LAB_ACCT" != 1 ] || accounting_start
	/usr/sbin/slurmctld || die "slurmctld does not start"
	for node in $(node_names); do slurmd_start "$node"; done
	login_environment
	[ "$LAB_REST" != 1 ] || rest_start
}

slurmd_start() { # slurmd_start NODE: its own host name, so that tasks see nodeNN
	mkdir -p "/var/spool/slurmd/$1"
	# shellcheck disable=SC2016
	unshare --uts sh -c 'hostname "$1"; exec /usr/sbin/slurmd -N "$1"' sh "$1"
}

slurmd_kill() { # slurmd_kill NODE: what runs there lives on; tells the PID
	local pid
	pid=$(cat "/run/slurmd-$1.pid") && kill -9 "$pid" && rm "/run/slurmd-$1.pid" && echo "$pid"
}

slurmd_anew() { # slurmd_anew NODE: tells the PID of the one that was killed and of the one in its place
	local old
	old=$(slurmd_kill "$1") && slurmd_start "$1" || return
	until [ -s "/run/slurmd-$1.pid" ]; do sleep 0.05; done
	echo "$1 $old $(cat "/run/slurmd-$1.pid")"
}

login_environment() {
	# shellcheck disable=SC2016  # expands at the login; bash reads the file for `ssh fe COMMAND` too
	echo 'export PATH=/opt/moab/bin:$PATH' >"/home/$REMOTE_USER/.bashrc"
	chown "$REMOTE_USER:" "/home/$REMOTE_USER/.bashrc"
	install -d -o "$REMOTE_USER" -g "$REMOTE_USER" "/scratch/$REMOTE_USER" /scratch/full
	# a scratch that fills at once, for what must be noticed before and after it does
	mount -t tmpfs -o mode=1777,size=64k full /scratch/full
}

accounting_start() {
	install -d -o mysql -g mysql /run/mysqld
	rm -rf /var/lib/mysql
	install -d -m 700 -o mysql -g mysql /var/lib/mysql
	mariadb-install-db --user=mysql --datadir=/var/lib/mysql --skip-test-db \
		--auth-root-authentication-method=socket >/var/log/lab/mariadb-install.log 2>&1
	/usr/sbin/mariadbd --user=mysql --datadir=/var/lib/mysql --socket=/run/mysqld/mysqld.sock --skip-networking \
		--innodb-buffer-pool-size=64M --innodb-log-file-size=16M --innodb-flush-log-at-trx-commit=0 \
		>/var/log/lab/mariadbd.log 2>&1 </dev/null &
	waitfor 30 MariaDB mariadb-admin ping || die "MariaDB does not answer"
	mariadb -e "create database slurm_acct_db; create user slurm@localhost identified by 'labpw';
		grant all on slurm_acct_db.* to slurm@localhost;"
	cat >/etc/slurm/slurmdbd.conf <<-EOF
		AuthType=auth/munge
		DbdHost=localhost
		SlurmUser=slurm
		StorageType=accounting_storage/mysql
		StorageHost=localhost
		StorageUser=slurm
		StoragePass=labpw
		StorageLoc=slurm_acct_db
		LogFile=/var/log/lab/slurmdbd.log
		PidFile=/run/slurmdbd/slurmdbd.pid
	EOF
	chown slurm: /etc/slurm/slurmdbd.conf
	chmod 600 /etc/slurm/slurmdbd.conf
	install -d -o slurm -g slurm /run/slurmdbd
	/usr/sbin/slurmdbd || die "slurmdbd does not start"
	waitfor 30 slurmdbd sacctmgr -n list cluster || die "slurmdbd does not answer"
	sacctmgr -i add cluster lab >/dev/null 2>&1
	sacctmgr -i add account lanl Description=lanl Organization=lanl >/dev/null
	sacctmgr -i add user "$REMOTE_USER" Account=lanl >/dev/null
}

rest_key() {
	head -c 32 /dev/urandom >/etc/slurm/jwt.key
	chown slurm: /etc/slurm/jwt.key
	chmod 600 /etc/slurm/jwt.key
}

rest_start() {
	local plugins=openapi/v0.0.36,openapi/v0.0.37,openapi/v0.0.38
	# without accounting the plugins of slurmdbd are fatal
	[ "$LAB_ACCT" != 1 ] || plugins=$plugins,openapi/dbv0.0.38
	# slurmrestd refuses to be root; a local socket acts as the user it runs as
	install -d -m 700 -o "$REMOTE_USER" -g "$REMOTE_USER" "/run/slurmrestd-$REMOTE_USER"
	setsid runuser -u "$REMOTE_USER" -- /usr/sbin/slurmrestd -a rest_auth/local -s "$plugins" \
		"unix:/run/slurmrestd-$REMOTE_USER/sock" >/var/log/lab/slurmrestd.log 2>&1 </dev/null &
	# this one acts as whoever has a token
	setsid runuser -u nobody -- env SLURM_JWT=daemon /usr/sbin/slurmrestd -a rest_auth/jwt -s "$plugins" \
		"$FE_IP:6820" >/var/log/lab/slurmrestd-jwt.log 2>&1 </dev/null &
}
