// SPDX-License-Identifier: GPL-2.0

//! The screen of `top`: a line above, the table, and the keys below, in 80 columns.

use crate::{
    list,
    pipes::Access,
    size,
    top::state::{
        Order,
        Row,
        State, //
    }, //
};
use ratatui::{
    layout::{
        Constraint,
        Layout, //
    },
    style::{
        Color,
        Style,
        Stylize, //
    },
    text::{
        Line,
        Text, //
    },
    widgets::{
        Cell,
        Paragraph,
        Row as Cells,
        Table,
        Wrap, //
    },
    Frame, //
};

/// How many cells the bar of a full pipe has.
const BAR: u64 = 10;

pub fn draw(state: &State, frame: &mut Frame<'_>) {
    let [head, body, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(headline(state).bold(), head);
    match &state.fault {
        Some(fault) => {
            frame.render_widget(Paragraph::new(fault.as_str()).wrap(Wrap::default()), body)
        }
        None => frame.render_widget(table(state), body),
    }
    frame.render_widget(footline(state).dim(), foot);
}

fn headline(state: &State) -> Line<'static> {
    let count = state.count();
    let shown = state.visible().len();
    let mut text = format!(
        "mini-pipe top: {count} pipe{}",
        if count == 1 { "" } else { "s" }
    );
    if shown != count {
        text += &format!(", {shown} shown");
    }
    text += &format!(", by {}", state.order.name());
    if state.reverse {
        text += ", reversed";
    }
    if state.paused {
        text += ", paused";
    }
    if state.scroll > 0 {
        text += &format!(", from row {}", state.scroll + 1);
    }
    if state.fault.is_none() && !state.sees_all() {
        text += " (root sees all users' pipes)";
    }
    text.into()
}

fn footline(state: &State) -> Line<'static> {
    if state.editing {
        return format!("filter: {}_   Enter: done   Esc: no filter", state.filter).into();
    }
    let keys = "q quit   s sort   r reverse   / filter   p pause   arrows scroll";
    if state.filter.is_empty() {
        keys.into()
    } else {
        format!("filter: {}   {keys}", state.filter).into()
    }
}

fn table(state: &State) -> Table<'static> {
    // The names of columns of numbers are on the right, like the numbers.
    let columns = [
        ("PIPE", 8, Order::Pipe),
        ("FULL", 15, Order::Full),
        ("  CAP", 5, Order::Capacity),
        (" IN/s", 5, Order::In),
        ("OUT/s", 5, Order::Out),
        ("ASLEEP", 6, Order::Asleep),
    ];
    let mut widths: Vec<_> = columns
        .iter()
        .map(|column| Constraint::Length(column.1))
        .collect();
    widths.extend([Constraint::Fill(1), Constraint::Fill(1)]);
    let mut head: Vec<_> = columns
        .iter()
        .map(|(name, _, order)| {
            let cell = Cell::from(*name);
            if *order == state.order {
                cell.reversed()
            } else {
                cell
            }
        })
        .collect();
    head.extend(["READERS".into(), "WRITERS".into()]);
    let rows = state.visible().into_iter().skip(state.scroll).map(cells);
    Table::new(rows.collect::<Vec<_>>(), widths)
        .header(Cells::new(head).bold())
        .column_spacing(1)
}

fn cells(row: &Row) -> Cells<'static> {
    let right = |text: String| Cell::from(Text::from(text).right_aligned());
    let full = row.full();
    let color = match full {
        0..50 => Color::Green,
        50..90 => Color::Yellow,
        _ => Color::Red,
    };
    Cells::new([
        Cell::from(row.pipe.id.to_string()),
        Cell::from(bar(full)).style(Style::new().fg(color)),
        right(size::short(row.pipe.capacity)),
        right(size::short(row.rate_in)),
        right(size::short(row.rate_out)),
        right(list::asleep(&row.pipe)),
        Cell::from(row.pipe.who(Access::reads)),
        Cell::from(row.pipe.who(Access::writes)),
    ])
}

/// `████░░░░░░  40%`: a cell for each 10 % that has begun.
fn bar(percent: u64) -> String {
    let cells = (percent * BAR).div_ceil(100) as usize;
    format!("{:░<10} {percent:3}%", "█".repeat(cells.min(BAR as usize)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipes::tests::pipe;
    use ratatui::{
        backend::TestBackend,
        Terminal, //
    };
    use std::time::{
        Duration,
        Instant, //
    };

    fn screen(state: &State) -> String {
        let mut terminal = Terminal::new(TestBackend::new(80, 6)).expect("a terminal");
        terminal.draw(|frame| draw(state, frame)).expect("a frame");
        terminal.backend().to_string()
    }

    #[test]
    fn the_screen_has_80_columns() {
        let start = Instant::now();
        let mut state = State::default();
        state.update(vec![pipe(1234567), pipe(8)], start);
        let mut later = vec![pipe(1234567), pipe(8)];
        later[0].bytes = 65536;
        later[0].bytes_in += 3 << 20;
        later[0].reader_sleepers = Some(0);
        later[0].writer_sleepers = Some(12);
        state.update(later, start + Duration::from_secs(1));
        let wanted = [
            r#""mini-pipe top: 2 pipes, by IN/s                                                 ""#,
            r#""PIPE     FULL              CAP  IN/s OUT/s ASLEEP READERS         WRITERS       ""#,
            r#""1234567  ########## 100%   64K    3M     0    12w cat(1234567)    -             ""#,
            r#""8        #.........   1%   64K     0     0      ? cat(8)          -             ""#,
            r#""                                                                                ""#,
            r#""q quit   s sort   r reverse   / filter   p pause   arrows scroll                ""#,
        ];
        let screen = screen(&state).replace('█', "#").replace('░', ".");
        for (line, wanted) in screen.lines().zip(wanted) {
            assert_eq!(line, wanted, "in\n{screen}");
        }
    }

    #[test]
    fn the_filter_is_shown() {
        let mut state = State::default();
        state.update(vec![pipe(8)], Instant::now());
        state.filter = "tar".to_owned();
        let screen = screen(&state);
        assert!(screen.contains("1 pipe, 0 shown"), "{screen}");
        assert!(screen.contains("filter: tar"), "{screen}");
    }
}
