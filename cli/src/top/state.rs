// SPDX-License-Identifier: GPL-2.0

//! What `top` knows: the pipes with their rates, the order, the filter, and what keys do.

use crate::pipes::{
    Id,
    Pipe, //
};
use ratatui::crossterm::event::{
    KeyCode,
    KeyEvent,
    KeyModifiers, //
};
use std::{
    cmp::Reverse,
    collections::HashMap,
    time::Instant, //
};

/// A pipe, and how many bytes a second went in and out since the last look at it.
pub struct Row {
    pub pipe: Pipe,
    pub rate_in: u64,
    pub rate_out: u64,
}

impl Row {
    /// How full the pipe is, in percent.
    pub fn full(&self) -> u64 {
        self.pipe.bytes * 100 / self.pipe.capacity.max(1)
    }

    /// Whether this text is in the number of the pipe, or in the name or number of a process that
    /// has it.
    fn matches(&self, text: &str) -> bool {
        let pipe = &self.pipe;
        pipe.id.to_string().contains(text) || pipe.who(|_| true).contains(text)
    }
}

/// What the rows are sorted by. The largest value comes first, but the smallest name.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Order {
    #[default]
    In,
    Out,
    Full,
    Asleep,
    Capacity,
    Pipe,
}

impl Order {
    pub fn name(self) -> &'static str {
        match self {
            Self::In => "IN/s",
            Self::Out => "OUT/s",
            Self::Full => "FULL",
            Self::Asleep => "ASLEEP",
            Self::Capacity => "CAPACITY",
            Self::Pipe => "PIPE",
        }
    }

    /// The column to the right, and after the last one the first.
    fn next(self) -> Self {
        match self {
            Self::In => Self::Out,
            Self::Out => Self::Asleep,
            Self::Asleep => Self::Pipe,
            Self::Pipe => Self::Full,
            Self::Full => Self::Capacity,
            Self::Capacity => Self::In,
        }
    }

    /// The value of a row to sort by.
    fn value(self, row: &Row) -> u64 {
        let pipe = &row.pipe;
        match self {
            Self::In => row.rate_in,
            Self::Out => row.rate_out,
            Self::Full => row.full(),
            Self::Asleep => pipe.reader_sleepers.unwrap_or(0) + pipe.writer_sleepers.unwrap_or(0),
            Self::Capacity => pipe.capacity,
            Self::Pipe => 0,
        }
    }
}

#[derive(Default)]
pub struct State {
    rows: Vec<Row>,
    /// When the pipes were last looked at.
    seen: Option<Instant>,
    pub order: Order,
    pub reverse: bool,
    pub paused: bool,
    pub filter: String,
    /// Whether keys edit the filter.
    pub editing: bool,
    /// How many rows are above the first that is shown.
    pub scroll: usize,
    /// How many rows the screen has.
    pub height: usize,
    /// Why there is no pipe to be seen.
    pub fault: Option<String>,
}

impl State {
    /// Takes the pipes as they are `now`.
    pub fn update(&mut self, pipes: Vec<Pipe>, now: Instant) {
        let time = self.seen.map_or(0.0, |seen| (now - seen).as_secs_f64());
        let before: HashMap<Id, (u64, u64)> = self
            .rows
            .iter()
            .map(|row| (row.pipe.id, (row.pipe.bytes_in, row.pipe.bytes_out)))
            .collect();
        // A number may belong to a new pipe, whose counters begin anew.
        let rate = |now: u64, before: u64| match now.checked_sub(before) {
            Some(bytes) if time > 0.0 => (bytes as f64 / time) as u64,
            _ => 0,
        };
        self.rows = pipes
            .into_iter()
            .map(|pipe| {
                let (bytes_in, bytes_out) = before
                    .get(&pipe.id)
                    .copied()
                    .unwrap_or((pipe.bytes_in, pipe.bytes_out));
                Row {
                    rate_in: rate(pipe.bytes_in, bytes_in),
                    rate_out: rate(pipe.bytes_out, bytes_out),
                    pipe,
                }
            })
            .collect();
        self.seen = Some(now);
        self.scroll = self.scroll.min(self.last_scroll());
    }

    /// How far one can scroll: then the last row is the last on the screen.
    fn last_scroll(&self) -> usize {
        self.visible().len().saturating_sub(self.height.max(1))
    }

    /// The rows that the filter lets through, in order.
    pub fn visible(&self) -> Vec<&Row> {
        let mut rows: Vec<_> = self
            .rows
            .iter()
            .filter(|row| row.matches(&self.filter))
            .collect();
        rows.sort_by_key(|row| (Reverse(self.order.value(row)), row.pipe.id));
        if self.reverse {
            rows.reverse();
        }
        rows
    }

    pub fn count(&self) -> usize {
        self.rows.len()
    }

    /// Whether debugfs could be read: then all pipes of the system are here, with their sleepers.
    pub fn sees_all(&self) -> bool {
        self.rows
            .iter()
            .any(|row| row.pipe.reader_sleepers.is_some())
    }

    /// Does what a key means. Returns true if that is to quit.
    pub fn press(&mut self, key: KeyEvent) -> bool {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return key.code == KeyCode::Char('c');
        }
        if self.editing {
            match key.code {
                KeyCode::Char(letter) => self.filter.push(letter),
                KeyCode::Backspace => drop(self.filter.pop()),
                KeyCode::Enter => self.editing = false,
                KeyCode::Esc => {
                    self.filter.clear();
                    self.editing = false;
                }
                _ => {}
            }
            self.scroll = 0;
            return false;
        }
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return true,
            KeyCode::Char('s') => self.order = self.order.next(),
            KeyCode::Char('r') => self.reverse = !self.reverse,
            KeyCode::Char('p' | ' ') => self.paused = !self.paused,
            KeyCode::Char('/') => self.editing = true,
            KeyCode::Down => self.scroll = (self.scroll + 1).min(self.last_scroll()),
            KeyCode::Up => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::Home => self.scroll = 0,
            _ => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipes::tests::pipe;
    use std::time::Duration;

    fn key(code: KeyCode) -> KeyEvent {
        KeyEvent::new(code, KeyModifiers::NONE)
    }

    fn names(state: &State) -> Vec<u64> {
        let numbers = state.visible().into_iter().map(|row| match row.pipe.id {
            Id::Device => 0,
            Id::Private(inode) => inode,
        });
        numbers.collect()
    }

    /// Three pipes. Per second, pipe 1 moves nothing, pipe 2 takes 300 bytes, pipe 3 gives 200.
    fn state() -> State {
        let start = Instant::now();
        let mut state = State::default();
        state.update((1..=3).map(pipe).collect(), start);
        let mut later: Vec<_> = (1..=3).map(pipe).collect();
        later[1].bytes_in += 600;
        later[2].bytes_out += 400;
        later[2].bytes = 32768;
        state.update(later, start + Duration::from_secs(2));
        state
    }

    #[test]
    fn rates_are_bytes_a_second() {
        let state = state();
        let rates: Vec<_> = state
            .visible()
            .iter()
            .map(|row| (row.rate_in, row.rate_out))
            .collect();
        assert_eq!(rates, [(300, 0), (0, 0), (0, 200)]);
    }

    #[test]
    fn a_new_pipe_has_no_rate() {
        let mut state = state();
        let mut new = pipe(4);
        new.bytes_in = 1 << 30;
        state.update(vec![new, pipe(2)], Instant::now() + Duration::from_secs(9));
        assert!(state.visible().iter().all(|row| row.rate_in == 0));
    }

    #[test]
    fn s_and_r_change_the_order() {
        let mut state = state();
        assert_eq!(names(&state), [2, 1, 3]);
        state.press(key(KeyCode::Char('s')));
        assert_eq!(names(&state), [3, 1, 2]);
        state.press(key(KeyCode::Char('r')));
        assert_eq!(names(&state), [2, 1, 3]);
        state.press(key(KeyCode::Char('s')));
        assert_eq!(state.order, Order::Asleep);
    }

    #[test]
    fn slash_filters_by_number_and_name() {
        let mut state = state();
        for letter in "/(3".chars() {
            state.press(key(KeyCode::Char(letter)));
        }
        assert_eq!(names(&state), [3]);
        assert!(
            !state.press(key(KeyCode::Esc)),
            "Esc ends the filter, not top"
        );
        assert_eq!(state.visible().len(), 3);
    }

    #[test]
    fn q_quits_but_is_a_letter_in_a_filter() {
        let mut state = state();
        state.press(key(KeyCode::Char('/')));
        assert!(!state.press(key(KeyCode::Char('q'))));
        assert!(names(&state).is_empty());
        state.press(key(KeyCode::Enter));
        assert!(state.press(key(KeyCode::Char('q'))));
        assert!(state.press(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
    }

    #[test]
    fn arrows_scroll_to_the_last_row_at_most() {
        let mut state = state();
        for _ in 0..9 {
            state.press(key(KeyCode::Down));
        }
        assert_eq!(state.scroll, 2);
        state.press(key(KeyCode::Up));
        assert_eq!(state.scroll, 1);
    }

    #[test]
    fn rows_stay_on_the_screen_when_pipes_end() {
        let mut state = state();
        for _ in 0..2 {
            state.press(key(KeyCode::Down));
        }
        state.update(vec![pipe(1), pipe(2)], Instant::now());
        assert_eq!(state.scroll, 1);
        state.update(Vec::new(), Instant::now());
        assert_eq!(state.scroll, 0);
    }
}
