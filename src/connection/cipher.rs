//! The cipher of a master: of those that ssh takes by itself, the one that costs least where the
//! processor has instructions for AES. Two hops on one machine each decipher every byte.

use super::told::Told;
use crate::config::site::SshConnection;

const FIRST: [&str; 2] = ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com"];

/// The ssh options that put that cipher first for a machine; none where the configuration says
/// something about ciphers, or the processor has no such instructions.
pub(super) async fn options(ssh: &SshConnection, told: &Told) -> Vec<String> {
    if !has_aes() {
        return Vec::new();
    }
    let bare = Told::of(ssh, &["-F", "none", "localhost"].map(str::to_owned)).await;
    let own = bare.as_ref().and_then(|bare| bare.value("ciphers"));
    match told.value("ciphers") {
        Some(here) if Some(here) == own => {
            vec!["-o".to_owned(), format!("Ciphers={}", reordered(here))]
        },
        _ => Vec::new(),
    }
}

/// The list with the ciphers that cost least in front, as far as they are in it.
fn reordered(list: &str) -> String {
    let (mut first, others): (Vec<&str>, Vec<&str>) =
        list.split(',').partition(|name| FIRST.contains(name));
    first.extend(others);
    first.join(",")
}

fn has_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cipher_stays_in_the_list() {
        let list = "chacha20-poly1305@openssh.com,aes128-ctr,aes128-gcm@openssh.com";
        let expected = "aes128-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-ctr";
        assert_eq!(reordered(list), expected);
        assert_eq!(reordered("aes256-ctr"), "aes256-ctr");
    }
}
