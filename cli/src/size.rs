// SPDX-License-Identifier: GPL-2.0

//! Numbers of bytes, as a user writes and reads them.

const UNITS: [(char, u64); 3] = [('G', 1 << 30), ('M', 1 << 20), ('K', 1 << 10)];

/// A number of bytes: 4096, 64K, 1M or 1G.
pub fn parse(text: &str) -> Option<u64> {
    let unit = UNITS
        .iter()
        .find(|(name, _)| text.ends_with(*name) || text.ends_with(name.to_ascii_lowercase()));
    let (digits, factor) = match unit {
        Some((_, factor)) => (&text[..text.len() - 1], *factor),
        None => (text, 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// At most five characters, below 10000G: 812, 64K, 1.5M.
pub fn short(bytes: u64) -> String {
    let Some((name, unit)) = UNITS.into_iter().find(|(_, unit)| bytes >= *unit) else {
        return bytes.to_string();
    };
    let tenths = bytes / unit * 10 + bytes % unit * 10 / unit;
    if bytes % unit == 0 || tenths >= 100 {
        format!("{}{name}", bytes / unit)
    } else {
        format!("{}.{}{name}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_powers_of_two() {
        assert_eq!(parse("4096"), Some(4096));
        assert_eq!(parse("64K"), Some(65536));
        assert_eq!(parse("1m"), Some(1 << 20));
        assert_eq!(parse("1G"), Some(1 << 30));
    }

    #[test]
    fn other_words_are_no_size() {
        for text in [
            "",
            "K",
            "-1",
            "1.5M",
            "64KB",
            "1T",
            "99999999999999999999",
            "99999999999G",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn short_sizes_fit_into_five_characters() {
        let cases = [
            (0, "0"),
            (1023, "1023"),
            (1024, "1K"),
            (1536, "1.5K"),
            (65536, "64K"),
            (10 * 1024 - 1, "9.9K"),
            (10 * 1024 + 1, "10K"),
            ((1 << 20) - 1, "1023K"),
            (1 << 20, "1M"),
            (5 << 30, "5G"),
        ];
        for (bytes, text) in cases {
            assert_eq!(short(bytes), text, "{bytes}");
        }
    }
}
