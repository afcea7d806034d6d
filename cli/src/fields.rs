// SPDX-License-Identifier: GPL-2.0

//! The values that the kernel shows of a pipe, by name: as lines of /proc/PID/fdinfo/N, as the
//! columns of a table in debugfs, and as the words of an event in tracefs.

use std::{
    collections::HashMap,
    iter::zip, //
};

/// Names and values.
#[derive(Debug, Default)]
pub struct Fields<'a>(HashMap<&'a str, &'a str>);

impl<'a> Fields<'a> {
    /// The lines of fdinfo: a name, a colon, white space and a value.
    pub fn from_lines(text: &'a str) -> Self {
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        Self(lines.map(|(name, value)| (name, value.trim())).collect())
    }

    /// The rows of a table, whose first line has the names of the columns.
    pub fn from_table(text: &'a str) -> Vec<Self> {
        let mut lines = text.lines();
        let names: Vec<_> = lines
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let rows = lines.map(|line| zip(names.iter().copied(), line.split_whitespace()));
        rows.map(|row| Self(row.collect())).collect()
    }

    /// The words of an event: `len=100 ret=6`.
    pub fn from_words(text: &'a str) -> Self {
        let words = text.split_whitespace();
        Self(words.filter_map(|word| word.split_once('=')).collect())
    }

    /// The value of that name.
    pub fn word(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).copied()
    }

    /// The value of that name, if it is a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.word(name)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_names_and_values() {
        let fields =
            Fields::from_lines("pos:\t0\nflags:\t0100001\nbytes:\t12\npolicy:\tbuffered\n");
        assert_eq!(fields.number("bytes"), Some(12));
        assert_eq!(fields.word("policy"), Some("buffered"));
        assert_eq!(fields.number("policy"), None);
        assert_eq!(fields.word("capacity"), None);
    }

    #[test]
    fn a_table_has_the_names_in_its_first_line() {
        let rows = Fields::from_table("inode capacity policy\n7 128 buffered\n 9  64 rendezvous\n");
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].number("capacity"), Some(128));
        assert_eq!(rows[1].number("inode"), Some(9));
        assert_eq!(rows[1].word("policy"), Some("rendezvous"));
    }

    #[test]
    fn words_have_names_and_values() {
        let fields = Fields::from_words(" pipe=7 dir=read x ret=-11");
        assert_eq!(fields.number("pipe"), Some(7));
        assert_eq!(fields.word("ret"), Some("-11"));
        assert_eq!(fields.word("x"), None);
    }

    #[test]
    fn an_empty_table_has_no_rows() {
        assert!(Fields::from_table("").is_empty());
        assert!(Fields::from_table("inode capacity\n").is_empty());
    }
}
