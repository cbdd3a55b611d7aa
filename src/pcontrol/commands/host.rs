//! `host …` and `check host`: what a human does with hosts.

use std::{fmt::Write as _, time::Instant};

use super::{CommandError, flag, value};
use crate::pcontrol::{
    Cluster, HostError, SlotState,
    cluster::site,
    limits::{MOST_SLOTS, MOST_THREADS, whole},
};

const HOST: &str =
    "host add|on|off|retry|check|delete NAME [-threads N] [-count N] [-keep|-fence] [-all]";

/// Slots of a batch site, unless told otherwise.
const SITE_SLOTS: u32 = 100;

pub(super) fn host(
    cluster: &mut Cluster,
    words: &[&str],
    now: Instant,
) -> Result<String, CommandError> {
    let mut words = words.to_vec();
    let number = |word: Option<&str>, option: &str, most: u32| {
        let number = word.map(|word| whole(option, word, 0, most));
        number.transpose()
    };
    let threads = number(value(&mut words, "-threads"), "-threads", MOST_THREADS)?.unwrap_or(0);
    let count = number(value(&mut words, "-count"), "-count", MOST_SLOTS)?;
    let keep = match (flag(&mut words, "-keep"), flag(&mut words, "-fence")) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    };
    let every = flag(&mut words, "-all");
    let [action, name] = words.as_slice() else {
        return Err(CommandError::Usage(HOST));
    };
    let is_site = site(name).is_some();
    let count = count.unwrap_or(if is_site { SITE_SLOTS } else { 1 });
    if name.starts_with('-') || name.is_empty() {
        // ssh would take it for an option.
        return Err(CommandError::Word(format!("{name} is no host's name")));
    }
    match *action {
        "add" => {
            // Its jobs live on without their agent, and it is to have enough of them to bundle.
            let keep = if is_site { Some(true) } else { keep };
            let ids = (0..count).map(|_| cluster.add(name, threads, keep, now));
            let lines = ids.map(|id| format!("HostID: {}\n", id.0));
            return Ok(lines.collect());
        },
        "check" => return check_host(cluster, name, now),
        "on" | "off" | "retry" | "delete" => {},
        _ => return Err(CommandError::Usage(HOST)),
    }
    let mut once = || match *action {
        "on" => cluster.on(name, now),
        "off" => cluster.off(name, now),
        "retry" => cluster.retry(name, now),
        _ => cluster.delete(name, now),
    };
    once()?;
    if every && *action != "retry" {
        let slots = cluster.pool.slots_of(name).count();
        for _ in 0..slots {
            let again = match *action {
                "on" => cluster.on(name, now),
                "off" => cluster.off(name, now),
                _ => cluster.delete(name, now),
            };
            if again.is_err() {
                break;
            }
        }
    }
    Ok(String::new())
}

pub(super) fn check_host(
    cluster: &Cluster,
    name: &str,
    now: Instant,
) -> Result<String, CommandError> {
    let mut text = String::new();
    for slot in cluster.pool.slots_of(name) {
        let state = cluster.pool.state(slot);
        write!(text, "host {name} is {}", state.word()).unwrap_or_default();
        if state == SlotState::Down
            && let Some(why) = cluster.reason(name, now)
        {
            write!(text, " ({why})").unwrap_or_default();
        }
        text.push('\n');
    }
    if text.is_empty() {
        return Err(HostError::Unknown(name.to_owned()).into());
    }
    Ok(text)
}

pub(super) fn check_slot(cluster: &Cluster, id: u64) -> Result<String, CommandError> {
    let mut slots = cluster.slots();
    let found = slots.find(|(slot, _)| slot.id.0 == id);
    let (_, state) = found.ok_or(CommandError::NoSlot)?;
    Ok(format!("host {}\n", state.word()))
}
