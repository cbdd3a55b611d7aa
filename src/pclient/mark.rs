//! The mark that every job of an agent has in its environment.

/// The variable.
const NAME: &str = "OUTRIGGER_AGENT";

/// `CONTROLLER:MACHINE:INCARNATION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    value: String,
    family: usize,
}

impl Mark {
    pub(super) fn new(controller: &str, machine: &str, incarnation: &str) -> Self {
        let family = format!("{controller}:{machine}:");
        Self {
            value: format!("{family}{incarnation}"),
            family: family.len(),
        }
    }

    pub(super) fn of_value(value: &str) -> Self {
        Self {
            value: value.to_owned(),
            family: value.rfind(':').map_or(0, |at| at + 1),
        }
    }

    /// The variable and its value.
    pub(super) fn entry(&self) -> (String, String) {
        (NAME.to_owned(), self.value.clone())
    }

    /// Whether an entry of an environment is this mark.
    pub(super) fn is(&self, entry: &[u8]) -> bool {
        value(entry) == Some(self.value.as_bytes())
    }

    /// Whether an entry of an environment is the mark of another agent that the same controller
    /// had on the same machine.
    pub(super) fn is_older(&self, entry: &[u8]) -> bool {
        let family = self.value.as_bytes().get(..self.family).unwrap_or_default();
        value(entry).is_some_and(|value| value.starts_with(family)) && !self.is(entry)
    }
}

fn value(entry: &[u8]) -> Option<&[u8]> {
    entry.strip_prefix(NAME.as_bytes())?.strip_prefix(b"=")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_knows_its_own_and_its_elders_and_nobody_else() {
        let mark = Mark::new("c1", "po01", "new");
        let (name, value) = mark.entry();
        assert_eq!(Mark::of_value(&value), mark);
        let entry = |value: &str| format!("{name}={value}").into_bytes();
        for (value, own, older) in [
            ("c1:po01:new", true, false),
            ("c1:po01:old", false, true),
            ("c1:po012:old", false, false),
            ("c2:po01:old", false, false),
            ("", false, false),
        ] {
            let entry = entry(value);
            assert_eq!(
                (mark.is(&entry), mark.is_older(&entry)),
                (own, older),
                "{value}"
            );
        }
        assert!(!mark.is(b"PATH=/bin"));
    }
}
