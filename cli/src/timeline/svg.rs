// SPDX-License-Identifier: GPL-2.0

//! The picture: the levels of the pipes, and a lane for each task.
//!
//! All that depends on time is in a group that page.js scales, only horizontally; what is in a
//! group `fixed` keeps its shape.

use super::{
    layout::{
        letter,
        width,
        Layout,
        LEGEND,
        LEVEL,
        NAMES,
        TIMES, //
    },
    story::{
        Sleep,
        Story, //
    },
    trace::{
        Dir,
        Kind, //
    },
    words::{
        self,
        count, //
    }, //
};
use std::fmt::{
    self,
    Write, //
};

const STYLE: &str = include_str!("svg.css");

/// Half the height of a bar.
const BAR: u32 = 6;

/// Draws the story, with a title and a summary for those who do not see it.
pub fn draw(story: &Story<'_>, title: &str, summary: &str) -> String {
    let layout = Layout::new(story);
    let mut svg = Svg {
        story,
        layout,
        text: String::new(),
    };
    // Writing to a string does not fail.
    let _ = svg.draw(title, summary);
    svg.text
}

/// Replaces what has a meaning in XML, and the control characters that XML does not allow.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\n' | '\t' => escaped.push(letter),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            letter if letter.is_control() => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

struct Svg<'a> {
    story: &'a Story<'a>,
    layout: Layout,
    text: String,
}

impl Svg<'_> {
    fn draw(&mut self, title: &str, summary: &str) -> fmt::Result {
        let Layout { width, height, .. } = self.layout;
        let all = NAMES + width;
        writeln!(
            self.text,
            "<svg xmlns='http://www.w3.org/2000/svg' class='timeline' width='{all}' \
             height='{height}' viewBox='0 0 {all} {height}' data-names='{NAMES}' \
             role='graphics-document document' aria-labelledby='title summary'>\n\
             <title id='title'>{}</title>\n<desc id='summary'>{}</desc>\n\
             <style>\n{STYLE}</style>\n\
             <defs>{}{}</defs>\n\
             <rect class='back' width='100%' height='{height}'/>\n\
             <g transform='translate({NAMES})'><g class='time'>",
            escape(title),
            escape(summary),
            hatch("asleep"),
            hatch("overslept"),
        )?;
        self.draw_times()?;
        for pipe in 0..self.story.pipes.len() {
            self.draw_levels(pipe)?;
        }
        for task in 0..self.story.tasks.len() {
            let y = self.layout.task_y(task);
            writeln!(self.text, "<path class='lane' d='M0 {y}H{width}'/>")?;
        }
        self.draw_reservations()?;
        for sleep in &self.story.sleeps {
            self.draw_sleep(sleep)?;
        }
        for at in 0..self.story.events().len() {
            self.draw_event(at)?;
        }
        self.text += "</g></g>\n";
        self.draw_legend(height - LEGEND)?;
        self.draw_names()?;
        self.text += "</svg>\n";
        Ok(())
    }

    /// A line down the picture beside each time.
    fn draw_times(&mut self) -> fmt::Result {
        let bottom = self.layout.height - LEGEND;
        for &at in &self.layout.ticks {
            let x = self.layout.x[at];
            let time = words::time(self.story.nanos_until(at));
            writeln!(
                self.text,
                "<path class='tick' d='M{x} {TIMES}V{bottom}'/>\
                 <g transform='translate({x} 18)'><text class='fixed faint'>{time}</text></g>"
            )?;
        }
        Ok(())
    }

    /// The level of a pipe over time, as an area with steps, and as numbers where there is room.
    fn draw_levels(&mut self, pipe: usize) -> fmt::Result {
        let levels = &self.story.pipes[pipe].levels;
        let bottom = self.layout.pipe_y(pipe);
        let highest = levels.highest().max(1);
        let y = |bytes: u64| {
            bottom - (u128::from(bytes) * u128::from(LEVEL) / u128::from(highest)) as u32
        };
        let mut path = format!("M0 {bottom}");
        let mut numbers = String::new();
        let mut free = 0;
        for (index, level) in levels.iter().enumerate() {
            // The first level is that before the first event.
            let x = if index == 0 {
                0
            } else {
                self.layout.x[level.at]
            };
            write!(path, "H{x}V{}", y(level.bytes))?;
            let number = level.bytes.to_string();
            if x >= free && (index > 0 || level.bytes > 0) {
                free = x + width(&number);
                write!(
                    numbers,
                    "<g transform='translate({x} {})'>\
                     <text class='fixed faint' x='3'>{number}</text></g>",
                    y(level.bytes) - 4
                )?;
            }
        }
        let end = self.layout.width;
        writeln!(
            self.text,
            "<path class='level' d='{path}H{end}V{bottom}Z'/>{numbers}"
        )
    }

    fn draw_reservations(&mut self) -> fmt::Result {
        for held in &self.story.reservations {
            let dir = words::verb(held.dir);
            let what = match held.dir {
                Dir::Read => "bytes",
                Dir::Write => "room",
            };
            let title = format!("{what} reserved to {dir}");
            self.draw_bar(
                &format!("held {dir}"),
                held.task,
                (held.from, held.to),
                &title,
            )?;
        }
        Ok(())
    }

    /// The sleep of a task, until it was woken and then until it went on; and the wake-up.
    fn draw_sleep(&mut self, sleep: &Sleep) -> fmt::Result {
        let title = format!("asleep in a {}", words::verb(sleep.dir));
        let end = sleep.woken.or(sleep.to);
        self.draw_bar("asleep", sleep.task, (sleep.from, end), &title)?;
        for &span in &sleep.overslept {
            self.draw_bar(
                "overslept",
                sleep.task,
                span,
                "asleep, though the pipe has bytes",
            )?;
        }
        if let Some(woken) = sleep.woken {
            let title = "woken, and not yet running";
            self.draw_bar("woken", sleep.task, (woken, sleep.to), title)?;
            self.draw_wake(woken, sleep.task)?;
        }
        Ok(())
    }

    /// An arrow from the task that wakes to the one that is woken.
    fn draw_wake(&mut self, at: usize, woken: usize) -> fmt::Result {
        let waker = self.story.task_of(&self.story.events()[at]);
        let [from, to] = [waker, woken].map(|task| self.layout.task_y(task));
        let (start, end, head) = match from < to {
            true => (from + 4, to - BAR, -7),
            false => (from - 4, to + BAR, 7),
        };
        let x = self.layout.x[at];
        let [waker, woken] = [waker, woken].map(|task| &self.story.tasks[task]);
        writeln!(
            self.text,
            "<g class='wake-up' transform='translate({x})'><title>{}</title><g class='fixed'>\
             <path class='shaft' d='M0 {start}V{end}'/>\
             <path class='head' d='M0 {end}l-4 {head}h8z'/></g></g>",
            escape(&format!(
                "{} ({}) wakes {} ({})",
                waker.comm, waker.pid, woken.comm, woken.pid
            ))
        )
    }

    /// A bar in the lane of a task, from an event to another or to the end of the picture.
    fn draw_bar(
        &mut self,
        class: &str,
        task: usize,
        (from, to): (usize, Option<usize>),
        title: &str,
    ) -> fmt::Result {
        let x = self.layout.x[from];
        let end = to.map_or(self.layout.width, |to| self.layout.x[to]);
        let [start, stop] = [from, self.story.or_last(to)].map(|at| self.story.nanos_until(at));
        writeln!(
            self.text,
            "<rect class='bar {class}' x='{x}' y='{}' width='{}' height='{}'>\
             <title>{title}, {}: from {} to {}</title></rect>",
            self.layout.task_y(task) - BAR,
            end - x,
            2 * BAR,
            words::time(stop - start),
            words::time(start),
            to.map_or_else(|| "the end".to_owned(), |_| words::time(stop)),
        )
    }

    fn draw_event(&mut self, at: usize) -> fmt::Result {
        let event = &self.story.events()[at];
        let class = match event.kind {
            Kind::Call { dir, .. } => words::verb(dir),
            Kind::Wake { .. } | Kind::HandOn { .. } => "wake",
            Kind::Eof | Kind::Epipe => "end",
            _ => "other",
        };
        writeln!(
            self.text,
            "<g class='event {class}' role='graphics-symbol img' transform='translate({} {})'>\
             <title>{}</title>\
             <g class='fixed'><circle r='4'/><text x='-3' y='-11'>{}</text></g></g>",
            self.layout.x[at],
            self.layout.task_y(self.story.task_of(event)),
            escape(&words::sentence(self.story, at)),
            escape(&self.layout.labels[at])
        )
    }

    /// The column of names, which page.js keeps in sight.
    fn draw_names(&mut self) -> fmt::Result {
        let height = self.layout.height - LEGEND;
        write!(
            self.text,
            "<g class='names'><rect class='back' width='{NAMES}' height='{height}'/>"
        )?;
        for (index, pipe) in self.story.pipes.iter().enumerate() {
            let y = self.layout.pipe_y(index);
            let name = words::name(pipe.number);
            let name = match letter(self.story, index) {
                Some(letter) => format!("{letter}: {name}"),
                None => name,
            };
            let highest = count(pipe.levels.highest(), "byte");
            self.draw_name(y - 12, &name, &format!("up to {highest}"))?;
        }
        for (index, task) in self.story.tasks.iter().enumerate() {
            let y = self.layout.task_y(index);
            self.draw_name(y - 4, &task.comm, &task.pid.to_string())?;
        }
        writeln!(self.text, "</g>")
    }

    fn draw_name(&mut self, y: u32, name: &str, remark: &str) -> fmt::Result {
        write!(
            self.text,
            "<text class='name' x='10' y='{y}'>{}</text>\
             <text class='faint' x='10' y='{}'>{}</text>",
            escape(name),
            y + 14,
            escape(remark)
        )
    }

    fn draw_legend(&mut self, top: u32) -> fmt::Result {
        write!(
            self.text,
            "<g class='legend' transform='translate(10 {})'>",
            top + 12
        )?;
        let bars = [
            ("held read", "reserved to read"),
            ("held write", "reserved to write"),
            ("asleep", "asleep"),
            ("woken", "woken"),
            ("overslept", "asleep beside bytes"),
        ];
        let mut x = 0;
        for (class, text) in bars {
            write!(
                self.text,
                "<rect class='bar {class}' x='{x}' width='24' height='12'/>\
                 <text x='{}' y='10'>{text}</text>",
                x + 30
            )?;
            x += 34 + width(text);
        }
        writeln!(
            self.text,
            "<path class='shaft' d='M{x} 6h16'/><path class='head' d='M{} 6l-7 -4v8z'/>\
             <text x='{}' y='10'>wake-up</text></g>",
            x + 24,
            x + 30
        )
    }
}

/// A pattern with that name, which svg.css colours.
fn hatch(name: &str) -> String {
    format!(
        "<pattern id='{name}' width='5' height='5' patternUnits='userSpaceOnUse' \
         patternTransform='rotate(45)'><path class='hatch {name}-hatch' d='M0 0V5'/>\
         </pattern>"
    )
}
