// SPDX-License-Identifier: GPL-2.0

//! `mini-pipe top`: the pipes, live.

mod state;
mod view;

use crate::{
    doctor,
    failure::{
        failure,
        reason,
        Result, //
    },
    pipes::Places, //
};
use ratatui::{
    crossterm::event::{
        self,
        Event,
        KeyEventKind, //
    },
    DefaultTerminal, //
};
use state::State;
use std::{
    io::{
        self,
        IsTerminal, //
    },
    time::{
        Duration,
        Instant, //
    }, //
};

/// Shows the pipes until the user quits, and reads them anew each `interval`.
pub fn run(interval: Duration) -> Result<()> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(failure(
            "top needs a terminal: elsewhere, use mini-pipe list",
        ));
    }
    let failed = |error: io::Error| {
        failure(format!(
            "the terminal does not work, so use mini-pipe list: {}",
            reason(&error)
        ))
    };
    let mut terminal = ratatui::try_init().map_err(failed)?;
    let shown = show(&mut terminal, interval);
    ratatui::restore();
    shown.map_err(failed)
}

fn show(terminal: &mut DefaultTerminal, interval: Duration) -> io::Result<()> {
    let places = Places::default();
    let mut state = State::default();
    let mut next = Instant::now();
    loop {
        let now = Instant::now();
        if now >= next {
            next = now + interval;
            if !state.paused {
                let pipes = places.pipes();
                state.fault = doctor::why_no_pipes(&pipes);
                state.update(pipes, now);
            }
        }
        // Without the lines above and below the rows.
        state.height = usize::from(terminal.size()?.height).saturating_sub(3);
        terminal.draw(|frame| view::draw(&state, frame))?;
        if !event::poll(next.saturating_duration_since(Instant::now()))? {
            continue;
        }
        if let Event::Key(key) = event::read()? {
            if key.kind == KeyEventKind::Press && state.press(key) {
                return Ok(());
            }
        }
    }
}
