//! The TCP connection of a login, with a send buffer that a long fast way needs.
//!
//! The system lets at most `tcp_wmem` bytes (4 MiB) be under way, and wakes a program that polls
//! as ssh does only when a third of that is free: over 50 ms that is 54 MB/s, whatever the line
//! can carry. So we connect, ask for a larger buffer, and hand the socket to ssh
//! (`ProxyUseFdpass`).

use std::{
    fs,
    io::{self, IoSlice},
    mem::MaybeUninit,
    net::{TcpStream, ToSocketAddrs},
    os::fd::AsFd,
    path::Path,
    time::{Duration, Instant},
};

use rustix::net::{
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg, sockopt::set_socket_keepalive,
    sockopt::set_socket_send_buffer_size,
};

use super::told::Told;

/// The rate for which a buffer is made, in bytes a second: 1 Gbit/s.
const RATE: f64 = 125e6;
/// Largest buffer in bytes that is asked for.
const MOST: f64 = 32e6;
/// How long an address may take to answer.
const LIMIT: Duration = Duration::from_secs(30);

/// Connects to `host` and hands the socket to the ssh that is at the other end of standard
/// output.
///
/// # Errors
/// No address answers, or standard output is not ssh's socket.
pub fn dial(host: &str, port: u16) -> io::Result<()> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let (stream, round_trip) = connect(host, port)?;
    set_socket_keepalive(&stream, true)?;
    // ssh itself asks for this only at a terminal; without it, each small message of many sessions
    // waits for the acknowledgement of the one before it.
    stream.set_nodelay(true)?;
    let given = number("/proc/sys/net/ipv4/tcp_wmem");
    let allowed = number("/proc/sys/net/core/wmem_max");
    if let (Some(given), Some(allowed)) = (given, allowed)
        && let Some(asked) = asked(round_trip, given, allowed)
    {
        set_socket_send_buffer_size(&stream, asked)?;
    }
    let handed = [stream.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&handed));
    sendmsg(
        io::stdout(),
        &[IoSlice::new(b"\0")],
        &mut control,
        SendFlags::empty(),
    )?;
    Ok(())
}

/// The ssh options by which a login at a machine connects through [`dial`]; none if the
/// configuration has a way of its own there, or asks for an address of this host.
pub(super) fn options(told: &Told, program: &Path) -> Vec<String> {
    if has_own_way(told) {
        return Vec::new();
    }
    let Ok(program) =
        shlex::try_quote(&program.to_string_lossy()).map(|word| word.replace('%', "%%"))
    else {
        return Vec::new();
    };
    vec![
        "-o".into(),
        format!("ProxyCommand={program} dial '[%h]' %p"),
        "-o".into(),
        "ProxyUseFdpass=yes".into(),
    ]
}

/// Whether there is a proxy or an address to connect from; without a host name nothing is known.
fn has_own_way(told: &Told) -> bool {
    let ways = ["proxycommand", "proxyjump", "bindaddress", "bindinterface"];
    told.value("hostname").is_none() || ways.iter().any(|key| told.value(key).is_some())
}

fn connect(host: &str, port: u16) -> io::Result<(TcpStream, Duration)> {
    let mut failed = io::Error::other(format!("{host}: no address"));
    for address in (host, port).to_socket_addrs()? {
        let begin = Instant::now();
        match TcpStream::connect_timeout(&address, LIMIT) {
            Ok(stream) => return Ok((stream, begin.elapsed())),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// The buffer to ask for, in bytes, where the system's own (`given`) is too small to fill the way
/// and a larger one is `allowed`. The kernel makes twice of what it is asked for.
fn asked(round_trip: Duration, given: usize, allowed: usize) -> Option<usize> {
    // Two thirds of a buffer are what a program that polls keeps full, less what packets cost.
    let bytes = (round_trip.as_secs_f64() * RATE * 1.8).min(MOST);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive and at most 32 million"
    )]
    let asked = (bytes as usize / 2).min(allowed);
    (asked * 2 > given).then_some(asked)
}

/// The last number in a file of the kernel's.
fn number(path: &str) -> Option<usize> {
    let text = fs::read_to_string(path).ok()?;
    text.split_ascii_whitespace().next_back()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_way_gets_a_large_buffer_and_a_short_one_is_left_to_the_system() {
        let given = 4 << 20;
        let long = asked(Duration::from_millis(50), given, 32 << 20).unwrap();
        assert!((5_000_000..7_000_000).contains(&long), "{long}");
        assert_eq!(asked(Duration::from_millis(50), given, given), Some(given));
        assert_eq!(asked(Duration::from_millis(2), given, 32 << 20), None);
        let most = asked(Duration::from_secs(2), given, 32 << 20);
        assert_eq!(most, Some(16_000_000));
    }

    #[test]
    fn a_system_that_allows_little_is_left_alone() {
        assert_eq!(asked(Duration::from_millis(50), 4 << 20, 212_992), None);
    }

    #[test]
    fn a_proxy_of_the_users_own_stays() {
        let own = |text: &str| has_own_way(&Told::from(text));
        assert!(own("hostname b\nproxyjump a\n"));
        assert!(own("hostname b\nproxycommand nc %h %p\n"));
        assert!(own("hostname b\nbindaddress 10.0.0.1\n"));
        assert!(!own(
            "hostname b\nport 22\nproxyusefdpass no\nbindaddress none\n"
        ));
    }
}
