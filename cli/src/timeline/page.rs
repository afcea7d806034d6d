// SPDX-License-Identifier: GPL-2.0

//! The page around the picture: one file, which loads nothing.

use super::{
    story::Story,
    svg,
    words::{
        count,
        time, //
    }, //
};

/// The page of a story. `title` says where the trace is from; `left_out` is the number of events
/// that there was no place for.
pub fn page(story: &Story<'_>, title: &str, left_out: usize) -> String {
    let title = format!("mini_pipe timeline: {title}");
    let summary = summary(story);
    let mut warnings = warnings(story, left_out);
    for warning in &mut warnings {
        *warning = format!("<p class=\"warning\">{warning}</p>\n");
    }
    let warnings = warnings.concat();
    let picture = svg::draw(story, &title, &summary);
    let title = svg::escape(&title);
    format!(
        "<!DOCTYPE html>\n\
         <html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{title}</title>\n<style>\n{}</style>\n</head>\n<body>\n\
         <h1>{title}</h1>\n<p>{summary}</p>\n{warnings}{CONTROLS}\
         <div id=\"view\">\n{picture}</div>\n\
         <p>Time goes from left to right; a gap grows with its logarithm. A dot is an event. \
         If a level is not known at first, the least possible one is shown.</p>\n\
         <script>\n{}</script>\n</body>\n</html>\n",
        include_str!("page.css"),
        include_str!("page.js"),
    )
}

/// What page.js shows and uses.
const CONTROLS: &str = r#"<div id="controls" hidden>
<button data-action="previous" aria-label="previous event" title="Left">&#x25c0;</button>
<button data-action="next" aria-label="next event" title="Right">&#x25b6;</button>
<button data-action="farther" aria-label="zoom out" title="-, or the wheel">&#x2212;</button>
<button data-action="nearer" aria-label="zoom in" title="+, or the wheel">+</button>
<button data-action="fit" title="0">fit</button>
<output id="call" aria-live="polite">Left and Right step from event to event; + and -, or the
wheel, zoom.</output>
</div>
"#;

/// `2 tasks, 1 pipe, 14 events in 1.24 ms.`
pub fn summary(story: &Story<'_>) -> String {
    let events = story.events().len();
    format!(
        "{}, {}, {} in {}.",
        count(story.tasks.len() as u64, "task"),
        count(story.pipes.len() as u64, "pipe"),
        count(events as u64, "event"),
        time(
            events
                .checked_sub(1)
                .map_or(0, |last| story.nanos_until(last))
        )
    )
}

/// What is missing in the picture.
fn warnings(story: &Story<'_>, left_out: usize) -> Vec<String> {
    let mut warnings = Vec::new();
    let lost = story.trace.lost;
    if lost > 0 {
        warnings.push(format!(
            "{} lost, because the kernel's buffer was full: levels and sleeps may be wrong.",
            were(lost, "event")
        ));
    }
    if left_out > 0 {
        warnings.push(format!(
            "{} left out at the end, because they are too many for a page.",
            were(left_out as u64, "event")
        ));
    }
    let skipped = story.trace.skipped as u64;
    if skipped > 0 {
        warnings.push(format!(
            "{} skipped, which {} no event of a mini_pipe.",
            were(skipped, "line"),
            if skipped == 1 { "is" } else { "are" }
        ));
    }
    warnings
}

fn were(number: u64, thing: &str) -> String {
    format!(
        "{} {}",
        count(number, thing),
        if number == 1 { "was" } else { "were" }
    )
}
