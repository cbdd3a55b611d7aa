//! Which machines lie on the way, and whether the first one answers.

use std::time::Duration;

use tokio::{net::TcpStream, time::timeout};

use super::Check;
use crate::config::site::SshConnection;
use crate::connection::{opening, told::Told};

/// The machines on the way, nearest first, as the configuration names them.
pub(super) fn names(ssh: &SshConnection) -> Vec<String> {
    let jumps = ssh.jump.iter().flat_map(|jump| jump.split(','));
    jumps
        .map(|hop| hop.trim().to_owned())
        .chain([ssh.host.clone()])
        .collect()
}

/// Whether the nearest machine takes TCP connections: only it can be tried without a master, and
/// trying is all that is done. What lies behind it is skipped.
pub(super) async fn reachable(ssh: &SshConnection, limit: Duration) -> Vec<Check> {
    let hops = match resolved(ssh, &ssh.host).await {
        // A jump may also stand in the ssh config alone.
        Some(Resolved {
            jump: Some(jump), ..
        }) if ssh.jump.is_none() => names(&SshConnection {
            jump: Some(jump),
            ..ssh.clone()
        }),
        _ => names(ssh),
    };
    let mut checks = Vec::new();
    for (n, hop) in hops.iter().enumerate() {
        let name = format!("hop {hop}");
        checks.push(if n == 0 {
            nearest(&name, ssh, hop, limit).await
        } else {
            Check::skipped(
                &name,
                format!("can only be reached through {}", hops.join(", ")),
            )
        });
    }
    checks
}

async fn nearest(name: &str, ssh: &SshConnection, hop: &str, limit: Duration) -> Check {
    let config = match &ssh.config_file {
        Some(file) => file.display().to_string(),
        None => "~/.ssh/config".to_owned(),
    };
    let Some(Resolved { host, port, .. }) = resolved(ssh, hop).await else {
        return Check::fail(
            name,
            format!("`{} -G {hop}` does not say where it is", ssh.ssh.display()),
            format!("check `connection.host`, `connection.jump` and {config}"),
        );
    };
    let seen = match timeout(limit, TcpStream::connect((host.as_str(), port))).await {
        Ok(Ok(_)) => return Check::pass(name, format!("{host} port {port} answers")),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", limit.as_secs_f64()),
    };
    Check::fail(
        name,
        format!("{host} port {port}: {seen}"),
        format!("check the network and VPN, and HostName and Port of {hop} in {config}"),
    )
}

struct Resolved {
    host: String,
    port: u16,
    jump: Option<String>,
}

/// Where ssh would connect for `hop`, by `ssh -G`, which connects nowhere.
async fn resolved(ssh: &SshConnection, hop: &str) -> Option<Resolved> {
    let mut words = opening::config(ssh);
    let (name, port) = split_port(hop);
    if let Some(port) = port {
        words.extend(["-p".to_owned(), port.to_owned()]);
    }
    words.extend(["--".to_owned(), name.to_owned()]);
    let told = Told::of(ssh, &words).await?;
    Some(Resolved {
        host: told.value("hostname")?.to_owned(),
        port: told.value("port")?.parse().ok()?,
        jump: told.value("proxyjump").map(str::to_owned),
    })
}

/// `[user@]host[:port]`, IPv6 addresses in brackets, split before the port.
fn split_port(hop: &str) -> (&str, Option<&str>) {
    match hop.rsplit_once(':') {
        Some((host, port))
            if !port.is_empty()
                && port.bytes().all(|b| b.is_ascii_digit())
                && (!host.contains(':') || host.ends_with(']')) =>
        {
            (host, Some(port))
        },
        _ => (hop, None),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("bastion", "bastion", None)]
    #[case("ipp@bastion:2222", "ipp@bastion", Some("2222"))]
    #[case("[fe80::1]:22", "[fe80::1]", Some("22"))]
    #[case("fe80::1", "fe80::1", None)]
    fn a_hops_port_is_what_follows_its_last_colon(
        #[case] hop: &str,
        #[case] host: &str,
        #[case] port: Option<&str>,
    ) {
        assert_eq!(split_port(hop), (host, port));
    }
}
