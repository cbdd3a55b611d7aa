//! FITS header cards: 80 characters each, `KEYWORD = value / comment`.

/// The cards of one header without `END`, in their order.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Header {
    cards: Vec<String>,
}

impl Header {
    /// Takes a card as it stands; blank cards at the end of a block are kept too.
    pub(super) fn push_raw(&mut self, card: &str) {
        self.cards.push(card.trim_end().to_owned());
    }

    pub(super) fn cards(&self) -> impl Iterator<Item = &str> {
        self.cards.iter().map(String::as_str)
    }

    /// The value's text: quotes taken off a string, the comment left out.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        let card = self.cards.iter().find(|card| keyword(card) == key)?;
        let value = card.split_at_checked(10)?.1.trim_start();
        if let Some(rest) = value.strip_prefix('\'') {
            let mut out = String::new();
            let mut chars = rest.chars().peekable();
            while let Some(c) = chars.next() {
                if c != '\'' {
                    out.push(c);
                } else if chars.peek() == Some(&'\'') {
                    out.push('\'');
                    chars.next();
                } else {
                    break;
                }
            }
            return Some(out.trim_end().to_owned());
        }
        let value = value.split('/').next().unwrap_or_default().trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// A number; the exponent may be written with `D`.
    pub(super) fn number(&self, key: &str) -> Option<f64> {
        self.text(key)?.replace(['D', 'd'], "E").parse().ok()
    }

    /// Sets a number, in place if the key is there.
    pub(super) fn set_number(&mut self, key: &str, value: f64, comment: &str) {
        self.set(key, &format_number(value), comment);
    }

    /// Sets an integer, in place if the key is there.
    pub(super) fn set_integer(&mut self, key: &str, value: i64, comment: &str) {
        self.set(key, &value.to_string(), comment);
    }

    /// Sets a logical value, in place if the key is there.
    pub(super) fn set_logical(&mut self, key: &str, value: bool, comment: &str) {
        self.set(key, if value { "T" } else { "F" }, comment);
    }

    /// Sets a string, in place if the key is there.
    pub(super) fn set_text(&mut self, key: &str, value: &str, comment: &str) {
        let quoted = format!("'{:<8}'", value.replace('\'', "''"));
        self.put(key, &format!("{key:<8}= {quoted:<20} / {comment}"));
    }

    /// Removes every card with one of these keys.
    pub(super) fn remove(&mut self, keys: &[&str]) {
        self.cards.retain(|card| !keys.contains(&keyword(card)));
    }

    fn set(&mut self, key: &str, value: &str, comment: &str) {
        self.put(key, &format!("{key:<8}= {value:>20} / {comment}"));
    }

    fn put(&mut self, key: &str, card: &str) {
        let card: String = card.chars().take(80).collect();
        match self.cards.iter_mut().find(|card| keyword(card) == key) {
            Some(old) => *old = card,
            None => self.cards.push(card),
        }
    }

    /// The cards as lines, as `.head` files have them.
    pub(super) fn lines(&self) -> String {
        let mut out: String = self.cards.iter().map(|card| card.clone() + "\n").collect();
        out.push_str("END\n");
        out
    }
}

/// The keyword of a card.
pub(super) fn keyword(card: &str) -> &str {
    card.split_at_checked(8)
        .map_or(card, |(key, _)| key)
        .trim_end()
}

fn format_number(value: f64) -> String {
    format!("{value:.12E}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_was_set_is_read_back() {
        let mut header = Header::default();
        header.set_number("CRVAL1", -150.123_456_789, "degrees");
        header.set_text("OBJECT", "o'clock", "a name");
        header.set_integer("NAXIS", 2, "axes");
        assert_eq!(header.number("CRVAL1"), Some(-150.123_456_789));
        assert_eq!(header.text("OBJECT").as_deref(), Some("o'clock"));
        assert_eq!(header.number("NAXIS"), Some(2.0));
        assert_eq!(header.text("ABSENT"), None);
    }

    #[test]
    fn setting_a_key_twice_leaves_one_card() {
        let mut header = Header::default();
        header.set_integer("NAXIS1", 2, "");
        header.set_integer("NAXIS1", 3, "");
        assert_eq!(header.cards().count(), 1);
        assert_eq!(header.number("NAXIS1"), Some(3.0));
    }
}
