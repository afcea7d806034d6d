// SPDX-License-Identifier: GPL-2.0

//! `mini-pipe list`.

use crate::{
    failure::{
        failure,
        Result, //
    },
    pipes::{
        Access,
        Pipe, //
    }, //
};
use std::fmt::Write;

/// The pipes as a table, a line each.
pub fn table(pipes: &[Pipe]) -> String {
    let mut rows = vec![[
        "PIPE", "BYTES", "CAPACITY", "ASLEEP", "POLICY", "READERS", "WRITERS",
    ]
    .map(str::to_owned)];
    rows.extend(pipes.iter().map(|pipe| {
        [
            pipe.id.to_string(),
            pipe.bytes.to_string(),
            pipe.capacity.to_string(),
            asleep(pipe),
            pipe.policy.clone(),
            pipe.who(Access::reads),
            pipe.who(Access::writes),
        ]
    }));
    let widths: Vec<_> = (0..rows[0].len())
        .map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, (value, width)) in row.iter().zip(&widths).enumerate() {
            // Numbers to the right.
            let _ = match column {
                1..=3 => write!(line, "{value:>width$}  "),
                _ => write!(line, "{value:width$}  "),
            };
        }
        text += line.trim_end();
        text += "\n";
    }
    text
}

/// How many readers and writers sleep: `1r 2w`; `?` if that is not known, which needs root.
pub fn asleep(pipe: &Pipe) -> String {
    match (pipe.reader_sleepers, pipe.writer_sleepers) {
        (Some(0), Some(0)) => "-".to_owned(),
        (Some(readers), Some(0)) => format!("{readers}r"),
        (Some(0), Some(writers)) => format!("{writers}w"),
        (Some(readers), Some(writers)) => format!("{readers}r {writers}w"),
        _ => "?".to_owned(),
    }
}

/// The pipes as a JSON array of objects, whose fields are those of [`Pipe`].
pub fn json(pipes: &[Pipe]) -> Result<String> {
    serde_json::to_string_pretty(pipes)
        .map(|text| escape(&text) + "\n")
        .map_err(|error| failure(format!("the pipes cannot be written as JSON: {error}")))
}

/// Escapes the control characters that JSON may have as they are, but that terminals act on.
fn escape(json: &str) -> String {
    let escaped = json.chars().map(|letter| match letter {
        '\u{7f}'..='\u{9f}' => format!("\\u{:04x}", u32::from(letter)),
        _ => letter.to_string(),
    });
    escaped.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipes::{
        tests::pipe,
        Id, //
    };

    #[test]
    fn columns_are_aligned() {
        let mut pipes = [pipe(812), pipe(1234567)];
        pipes[0].id = Id::Device;
        assert_eq!(
            table(&pipes),
            "PIPE     BYTES  CAPACITY  ASLEEP  POLICY    READERS       WRITERS\n\
             device     700     65536       ?  buffered  cat(812)      -\n\
             1234567    700     65536       ?  buffered  cat(1234567)  -\n"
        );
    }

    #[test]
    fn sleepers_are_counted_by_direction() {
        let mut pipe = pipe(7);
        for (readers, writers, text) in [(0, 0, "-"), (2, 0, "2r"), (0, 1, "1w"), (3, 4, "3r 4w")] {
            pipe.reader_sleepers = Some(readers);
            pipe.writer_sleepers = Some(writers);
            assert_eq!(asleep(&pipe), text);
        }
    }

    #[test]
    fn json_has_names_without_control_characters() {
        let mut pipe = pipe(7);
        pipe.holders[0].command = "\x1b[2J\n\u{9b}x\u{7f}é".to_owned();
        let text = json(&[pipe.clone()]).expect("JSON");
        assert!(text.contains(r#""\u001b[2J\n\u009bx\u007fé""#), "{text}");
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value[0]["holders"][0]["command"], pipe.holders[0].command);
    }

    #[test]
    fn json_has_all_fields() {
        let text = json(&[pipe(7)]).expect("JSON");
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value[0]["pipe"], "mini_pipe:[7]");
        assert_eq!(value[0]["capacity"], 65536);
        assert!(value[0]["reader_sleepers"].is_null());
        assert_eq!(value[0]["holders"][0]["access"], "read");
        assert_eq!(value[0]["holders"][0]["pid"], 7);
    }
}
