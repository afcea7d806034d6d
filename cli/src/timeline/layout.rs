// SPDX-License-Identifier: GPL-2.0

//! Where the parts of the picture are, in pixels.
//!
//! The events are in their order from left to right. A gap grows with the logarithm of the time, so
//! that microseconds can be seen beside seconds. No label covers the next one of its task.

use super::{
    story::Story,
    words, //
};

/// The width of the column with the names of pipes and tasks.
pub const NAMES: u32 = 176;
/// The height of the row with the times, and that of the legend.
pub const TIMES: u32 = 28;
pub const LEGEND: u32 = 44;
pub const PIPE_ROW: u32 = 72;
pub const TASK_ROW: u32 = 50;
/// How much of a pipe's row its highest level takes.
pub const LEVEL: u32 = 40;

const MARGIN: u32 = 16;
/// The legend needs this much.
const LEAST: u32 = 620;
/// The mean width of a letter, rounded up.
const LETTER: u32 = 7;

pub struct Layout {
    /// The label of each event, and its distance from the column of names.
    pub labels: Vec<String>,
    pub x: Vec<u32>,
    /// The events beside which the time is written.
    pub ticks: Vec<usize>,
    /// Without the column of names.
    pub width: u32,
    pub height: u32,
    pipes: u32,
}

impl Layout {
    pub fn new(story: &Story<'_>) -> Self {
        let labels: Vec<_> = (0..story.events().len())
            .map(|at| label(story, at))
            .collect();
        let mut x = Vec::new();
        let mut ticks = Vec::new();
        // Where the next label of each task may begin, and where the next time.
        let mut free = vec![0; story.tasks.len()];
        let mut free_of_times = 0;
        let mut last_time = String::new();
        let mut end = MARGIN;
        let mut nanos = 0;
        for (at, event) in story.events().iter().enumerate() {
            let task = story.task_of(event);
            let gap = gap(story.nanos_until(at) - nanos);
            nanos = story.nanos_until(at);
            end = free[task].max(end + if at == 0 { 0 } else { gap });
            x.push(end);
            free[task] = end + width(&labels[at]);
            let time = words::time(nanos);
            if end >= free_of_times && time != last_time {
                ticks.push(at);
                free_of_times = end + width(&time);
                last_time = time;
            }
        }
        let pipes = story.pipes.len() as u32;
        let last = free.into_iter().max().unwrap_or(0);
        Self {
            labels,
            x,
            ticks,
            width: last.max(end).max(LEAST) + MARGIN,
            height: TIMES + pipes * PIPE_ROW + story.tasks.len() as u32 * TASK_ROW + LEGEND,
            pipes,
        }
    }

    /// The bottom of a pipe's levels.
    pub fn pipe_y(&self, pipe: usize) -> u32 {
        TIMES + (pipe as u32 + 1) * PIPE_ROW - 12
    }

    /// The middle of a task's lane.
    pub fn task_y(&self, task: usize) -> u32 {
        TIMES + self.pipes * PIPE_ROW + task as u32 * TASK_ROW + 30
    }
}

/// The label of an event, with the letter of its pipe if there are several.
fn label(story: &Story<'_>, at: usize) -> String {
    let event = &story.events()[at];
    let label = words::label(event.kind);
    match story
        .pipe_of(event.pipe)
        .and_then(|pipe| letter(story, pipe))
    {
        Some(letter) => format!("{letter}: {label}"),
        None => label,
    }
}

/// A short name for a pipe, if there are several: A to Z, and then numbers.
pub fn letter(story: &Story<'_>, pipe: usize) -> Option<String> {
    let letter = ('A'..='Z').nth(pipe).map(String::from);
    (story.pipes.len() > 1).then(|| letter.unwrap_or_else(|| (pipe + 1).to_string()))
}

/// How much room a text takes, with the space after it.
pub fn width(text: &str) -> u32 {
    text.chars().count() as u32 * LETTER + 8
}

fn gap(nanos: u64) -> u32 {
    let decades = (1.0 + nanos as f64 / 1e3).log10();
    10 + (9.0 * decades) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::trace::Trace;

    #[test]
    fn events_are_in_order_and_labels_apart() {
        let lines = (0..40).map(|at| {
            let time = at * at * at;
            format!(
                "t-{} [000] ..... {time}.5: write: pipe=7 len=9 ret={at}\n",
                at % 3
            )
        });
        let trace = Trace::parse(&lines.collect::<String>());
        let story = Story::new(&trace);
        let layout = Layout::new(&story);
        assert_eq!(layout.x.len(), 40);
        assert!(layout.x.is_sorted_by(|a, b| a < b));
        for at in 3..40 {
            assert!(layout.x[at - 3] + width(&layout.labels[at - 3]) <= layout.x[at]);
        }
        assert!(layout.x[39] < layout.width);
        assert!(layout.task_y(2) + LEGEND < layout.height);
    }

    #[test]
    fn a_gap_grows_with_the_logarithm_of_the_time() {
        assert_eq!(gap(0), 10);
        assert!(gap(1_000) < gap(1_000_000));
        assert!(gap(3_600_000_000_000) < 100);
    }
}
