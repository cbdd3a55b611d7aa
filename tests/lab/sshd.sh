# The SSH servers: port 22 takes a key, port 2222 a key and a one-time password; sourced by machine.
# shellcheck shell=bash

sshd_config() { # sshd_config MACHINE PORT
	cat <<-EOF
		Port $2
		PidFile /run/sshd_lab_$2.pid
		HostKey /opt/lab/keys/host_$1
		AllowUsers $REMOTE_USER
		AuthorizedKeysFile /etc/ssh/lab/%u.keys
		PubkeyAuthentication yes
		PasswordAuthentication no
		PermitRootLogin no
		UsePAM yes
		UseDNS no
		PrintMotd no
		X11Forwarding no
		AllowAgentForwarding no
		LoginGraceTime 60
		Banner /etc/issue.lab
		LogLevel VERBOSE
		Subsystem sftp /usr/lib/openssh/sftp-server
	EOF
	case $2 in
	22) printf '%s\n' 'AuthenticationMethods publickey' 'KbdInteractiveAuthentication no' ;;
	2222) printf '%s\n' 'AuthenticationMethods publickey,keyboard-interactive' 'KbdInteractiveAuthentication yes' ;;
	esac
	case $1 in
	bastion)
		cat <<-EOF
			AllowTcpForwarding local
			AllowStreamLocalForwarding no
			PermitOpen $FE_IP:22 $FE_IP:2222 fe1:22 fe1:2222
			ForceCommand /opt/lab/bastion-shell
			MaxStartups 10:30:100
		EOF
		;;
	cluster)
		cat <<-EOF
			AllowTcpForwarding yes
			MaxSessions $LAB_MAXSESSIONS
			AcceptEnv LANG LC_*
		EOF
		;;
	esac
}

# what the bastion lets a login do besides forwarding: `ssh [-l USER] [-p PORT] fe1 [COMMAND]`
bastion_shell() {
	install -d -m 700 -o "$REMOTE_USER" -g "$REMOTE_USER" "/home/$REMOTE_USER/.ssh"
	install -m 600 -o "$REMOTE_USER" -g "$REMOTE_USER" /opt/lab/keys/jump "/home/$REMOTE_USER/.ssh/id_ed25519"
	echo "fe1,$FE_IP $(cut -d' ' -f1,2 /opt/lab/keys/host_cluster.pub)" >/etc/ssh/ssh_known_hosts
	cat >/opt/lab/bastion-shell <<-'EOF'
		#!/bin/bash
		deny() {
			echo "bastion: $1" >&2
			exit 126
		}
		command=${SSH_ORIGINAL_COMMAND:-}
		[ -n "$command" ] || deny "interactive logins are not permitted; use: ssh -J bastion fe1"
		# xargs splits words with quotes and expands nothing
		readarray -d '' words < <(xargs printf '%s\0' <<<"$command" 2>/dev/null)
		[ "${words[0]:-}" = ssh ] || deny "only ssh through to fe1 is permitted"
		options=()
		i=1
		# its own ssh may be told who to be there, and to ask nobody, but not to run anything here
		while :; do
			case "${words[i]:-} ${words[i + 1]:-}" in
			'-o BatchMode='* | '-o ConnectTimeout='* | '-l '* | '-p '*) options+=("${words[i++]}") ;;
			'-t '* | '-tt '* | '-T '* | '-n '* | '-q '*) ;;
			*) break ;;
			esac
			options+=("${words[i++]}")
		done
		[ "${words[i]:-}" = fe1 ] || deny "only ssh through to fe1 is permitted"
		exec ssh -o LogLevel=ERROR "${options[@]}" fe1 "${words[@]:i+1}"
	EOF
	chmod 755 /opt/lab/bastion-shell
}

one_time_passwords() {
	# pam_exec alone authenticates, but pam_setcred then finds no module that says yes
	cat >/etc/pam.d/sshd <<-'EOF'
		auth     requisite pam_exec.so quiet expose_authtok /opt/lab/otp-check
		auth     required pam_permit.so
		account  required pam_permit.so
		session  required pam_permit.so
	EOF
	cat >/opt/lab/otp-check <<-'EOF'
		#!/bin/bash
		# accepts each token of /opt/lab/otp/tokens (lines "TOKEN EXPIRY") once
		exec 9>>/opt/lab/otp/used
		flock 9
		IFS= read -r -d '' token || true
		token=${token%%[$'\n\r']*}
		[[ $token =~ ^[0-9]{8}$ ]] || exit 1
		! grep -q "^$token " /opt/lab/otp/used || exit 1
		expiry=$(awk -v t="$token" '$1 == t {print $2}' /opt/lab/otp/tokens)
		[ -n "$expiry" ] && [ "$(date +%s)" -le "$expiry" ] || exit 1
		echo "$token $PAM_USER $(hostname)" >&9
	EOF
	chmod 755 /opt/lab/otp-check
}

sshd_start() { # sshd_start MACHINE
	local port
	install -d -m 755 /etc/ssh/lab
	cat /opt/lab/keys/id.pub /opt/lab/keys/jump.pub >"/etc/ssh/lab/$REMOTE_USER.keys"
	chmod 644 "/etc/ssh/lab/$REMOTE_USER.keys"
	cat >/etc/issue.lab <<-EOF
		**********************************************************************
		NOTICE: this is a simulated federal computer system.  Use of it is
		monitored, recorded and subject to audit.            ($(hostname))
		**********************************************************************
	EOF
	[ "$1" != bastion ] || bastion_shell
	one_time_passwords
	for port in 22 2222; do
		sshd_config "$1" $port >/etc/ssh/sshd_lab_$port
		/usr/sbin/sshd -f /etc/ssh/sshd_lab_$port -E /var/log/lab/sshd-$port.log || die "sshd does not start"
	done
}
