// SPDX-License-Identifier: GPL-2.0

//! `mini-pipe timeline`: what happens in the pipes while a program runs, as a page.

mod layout;
mod levels;
mod page;
mod record;
mod story;
mod svg;
mod trace;
mod words;

use crate::{
    failure::{
        failure,
        reason,
        Failure,
        Result, //
    },
    held::Held,
    output::say,
    run, //
};
use clap::Args;
use nix::{
    errno::Errno,
    unistd::{
        access,
        AccessFlags, //
    }, //
};
use record::Recording;
use std::{
    ffi::OsString,
    fs,
    io,
    path::{
        Path,
        PathBuf, //
    }, //
};
use story::Story;
use trace::Trace;

/// How many events are drawn: more make a page that browsers are slow to show.
const MOST: usize = 10_000;

#[derive(Args, Debug)]
pub struct Options {
    /// The page to write
    #[arg(short, long, value_name = "FILE", default_value = "timeline.html")]
    output: PathBuf,
    /// Uses the text of tracefs's file trace, or of trace-cmd report, and runs nothing
    #[arg(long, value_name = "FILE", conflicts_with = "program")]
    trace: Option<PathBuf>,
    /// The program, which gets mini_pipes in the place of pipes, and its arguments
    #[arg(
        required_unless_present = "trace",
        trailing_var_arg = true,
        value_name = "PROGRAM"
    )]
    program: Vec<OsString>,
}

/// Writes the page, and returns the exit status: that of the program, if one is run.
pub fn run(options: &Options) -> Result<u8> {
    if let Some(file) = &options.trace {
        let title = file.display().to_string();
        let text = fs::read(file)
            .map_err(|error| failure(format!("{title} cannot be read: {}", reason(&error))))?;
        let text = String::from_utf8_lossy(&text);
        write(&text, &title, &options.output).map(|()| 0)
    } else {
        let failed = |error: Failure| error.with_status(run::FAILED);
        check_output(&options.output).map_err(failed)?;
        let mut command = run::command(&run::Options::default(), &options.program)?;
        run::check_device()?;
        let held = Held::new();
        let recording = Recording::start().map_err(failed)?;
        let status = run::child(&mut command, &held)?;
        let text = recording.stop().map_err(failed)?;
        drop(held);
        write(&text, &title(&options.program), &options.output).map_err(failed)?;
        Ok(status)
    }
}

/// Writes the page of a trace, and says what it shows.
fn write(text: &str, title: &str, output: &Path) -> Result<()> {
    let mut trace = Trace::parse(text);
    if trace.events.is_empty() {
        return Err(failure(format!(
            "{title}: there is no event of a mini_pipe, so there is nothing to show: mini-pipe run \
             --log PROGRAM says whether a program makes mini_pipes"
        )));
    }
    let left_out = trace.events.len().saturating_sub(MOST);
    trace.events.truncate(MOST);
    let story = Story::new(&trace);
    fs::write(output, page::page(&story, title, left_out))
        .map_err(|error| not_writable(output, &error))?;
    say(format!("{}: {}", output.display(), page::summary(&story)));
    Ok(())
}

/// Fails if the page cannot be written, so that no program runs in vain. This opens nothing, as the
/// reader of a FIFO would notice, and makes no file.
fn check_output(output: &Path) -> Result<()> {
    let allowed = match access(output, AccessFlags::W_OK) {
        Err(Errno::ENOENT) => {
            let output = Path::new(".").join(output);
            let folder = output.parent().unwrap_or(&output);
            access(folder, AccessFlags::W_OK | AccessFlags::X_OK)
        }
        Ok(()) if output.is_dir() => Err(Errno::EISDIR),
        other => other,
    };
    allowed.map_err(|errno| not_writable(output, &errno.into()))
}

fn not_writable(output: &Path, error: &io::Error) -> Failure {
    failure(format!(
        "{} cannot be written: {}; give another file with -o",
        output.display(),
        reason(error)
    ))
}

/// The program and its arguments; those that are empty or have white space are quoted.
fn title(program: &[OsString]) -> String {
    let words = program.iter().map(|word| word.to_string_lossy());
    let quoted = words.map(|word| {
        if word.is_empty() || word.contains(char::is_whitespace) {
            format!("'{word}'")
        } else {
            word.into_owned()
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
