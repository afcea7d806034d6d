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
    held::ENDING,
    pipes::Places, //
};
use nix::sys::signal::SigSet;
use ratatui::{
    crossterm::{
        cursor::Show,
        event::{
            self,
            Event,
            KeyEventKind, //
        },
        execute, //
    },
    DefaultTerminal, //
};
use state::State;
use std::{
    io::{
        self,
        IsTerminal, //
    },
    process,
    thread,
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
    restore_if_ended();
    // An error may leave the terminal half prepared, too.
    let shown = ratatui::try_init().and_then(|mut terminal| show(&mut terminal, interval));
    let _ = ratatui::try_restore();
    shown.map_err(failed)
}

/// Waits in a thread for a signal that ends this process, and restores the terminal first.
fn restore_if_ended() {
    let signals = SigSet::from_iter(ENDING);
    let _ = signals.thread_block();
    thread::spawn(move || {
        if let Ok(signal) = signals.wait() {
            // Nothing is drawn from here on.
            let mut screen = io::stdout().lock();
            let _ = execute!(screen, Show);
            let _ = ratatui::try_restore();
            process::exit(128 + signal as i32);
        }
    });
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
