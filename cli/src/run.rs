// SPDX-License-Identifier: GPL-2.0

//! `mini-pipe run`: runs a program with the library of preload/.

use crate::{
    device::{
        self,
        DEVICE, //
    },
    doctor,
    failure::{
        failure,
        reason,
        Failure,
        Result, //
    },
    held::Held,
    inherited,
    output::{
        printable,
        say, //
    }, //
};
use nix::{
    sys::signal::{
        kill,
        Signal, //
    },
    unistd::{
        mkdtemp,
        Pid, //
    }, //
};
use std::{
    collections::BTreeMap,
    env,
    ffi::{
        OsStr,
        OsString, //
    },
    fs,
    io,
    os::unix::{
        ffi::OsStrExt,
        process::{
            CommandExt,
            ExitStatusExt, //
        }, //
    },
    path::{
        self,
        Path,
        PathBuf, //
    },
    process::{
        Child,
        Command,
        ExitStatus, //
    }, //
};

const LIBRARY: &str = "mini_pipe_preload.so";

/// The exit statuses of a program that runs others, as env(1) has them.
pub const FAILED: u8 = 125;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

#[derive(Default)]
pub struct Options {
    /// Whether the program's call fails if it cannot have a mini_pipe.
    pub strict: bool,
    /// Whether to print at the end which programs made mini_pipes.
    pub log: bool,
}

/// Runs a program in the place of this one, and returns only on failure; or, with `log`, runs it
/// as a child, and returns its exit status.
pub fn run(options: &Options, program: &[OsString]) -> Result<u8> {
    let mut command = command(options, program)?;
    if let Err(failure) = check_device() {
        // The library only asks whether the variable is there.
        if options.strict || env::var_os("MINI_PIPE_PRELOAD_STRICT").is_some() {
            return Err(failure);
        }
        say(format!("the program gets ordinary pipes: {failure}"));
    }
    if options.log {
        run_logged(&mut command)
    } else {
        let error = command.exec();
        Err(explain(command.get_program(), &error))
    }
}

/// Fails if no program can get mini_pipes, and says why.
pub fn check_device() -> Result<()> {
    match device::open_for_ioctls(Path::new(DEVICE)) {
        Ok(_) => Ok(()),
        Err(errno) => Err(failure(doctor::why_not_open(errno)).with_status(FAILED)),
    }
}

/// The program, with the library preloaded.
pub fn command(options: &Options, program: &[OsString]) -> Result<Command> {
    let failed = |error: Failure| error.with_status(FAILED);
    let library = find_library().map_err(failed)?;
    let (name, arguments) = program
        .split_first()
        .ok_or_else(|| failed(failure("give a program to run: mini-pipe run PROGRAM")))?;
    let mut command = Command::new(name);
    command.args(arguments);
    command.env("LD_PRELOAD", preload(&library, env::var_os("LD_PRELOAD")));
    command.env_remove("MINI_PIPE_PRELOAD_OFF");
    if options.strict {
        command.env("MINI_PIPE_PRELOAD_STRICT", "1");
    }
    inherited::pass_on(&mut command);
    Ok(command)
}

/// Runs the command, and returns its exit status as a shell has it. The program decides what the
/// signals mean.
pub fn child(command: &mut Command, held: &Held) -> Result<u8> {
    if let Some(signal) = held.ending() {
        let what = format!("{signal} came before the program was started");
        return Err(failure(what).with_status(128 + signal as u8));
    }
    held.release_in(command);
    let mut child = command
        .spawn()
        .map_err(|error| explain(command.get_program(), &error))?;
    let status = wait(&mut child, held).map_err(|error| {
        let what = format!("the program cannot be waited for: {}", reason(&error));
        failure(what).with_status(FAILED)
    })?;
    let signalled = |number| 128 + number;
    let code = status.code().or(status.signal().map(signalled));
    Ok(code
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(FAILED))
}

/// Waits for the end of the child.
fn wait(child: &mut Child, held: &Held) -> io::Result<ExitStatus> {
    loop {
        match held.wait()? {
            Signal::SIGCHLD => {
                if let Some(status) = child.try_wait()? {
                    return Ok(status);
                }
            }
            signal @ (Signal::SIGTERM | Signal::SIGHUP) => {
                let _ = kill(Pid::from_raw(child.id() as i32), signal);
            }
            // A terminal sends the others to both.
            _ => {}
        }
    }
}

/// The library: beside this program, or where the package has it, seen from this program.
pub fn find_library() -> Result<PathBuf> {
    let this = env::current_exe().unwrap_or_default();
    let dir = this.parent().unwrap_or(Path::new("/usr/bin"));
    let places = [
        dir.join(LIBRARY),
        dir.join("../lib/mini-pipe").join(LIBRARY),
    ];
    let found = places.iter().find_map(|place| fs::canonicalize(place).ok());
    let found = found.ok_or_else(|| {
        failure(format!(
            "{LIBRARY} is neither in {} nor in ../lib/mini-pipe there: install the package \
             mini-pipe again",
            dir.display()
        ))
    })?;
    check_path(&found)?;
    Ok(found)
}

/// Fails if LD_PRELOAD cannot have this path: ld.so(8) splits it at spaces and colons.
fn check_path(library: &Path) -> Result<()> {
    if library
        .as_os_str()
        .as_bytes()
        .iter()
        .any(|byte| b" :".contains(byte))
    {
        return Err(failure(format!(
            "LD_PRELOAD cannot have {}, because of the space or colon: move mini-pipe and its \
             library",
            library.display()
        )));
    }
    Ok(())
}

/// The value for LD_PRELOAD: the library, and before it what was there, which may have to be first.
fn preload(library: &Path, before: Option<OsString>) -> OsString {
    match before {
        Some(mut list) if !list.is_empty() => {
            list.push(":");
            list.push(library);
            list
        }
        _ => library.into(),
    }
}

/// Runs the command, prints which programs made mini_pipes, and returns the exit status as a shell
/// has it.
fn run_logged(command: &mut Command) -> Result<u8> {
    let held = Held::new();
    let folder = make_folder().map_err(|error| {
        let dir = env::temp_dir();
        let what = format!(
            "{} cannot have the log: {}; set TMPDIR to another folder",
            dir.display(),
            reason(&error)
        );
        failure(what).with_status(FAILED)
    })?;
    let log = folder.join("log");
    let ended = child(command.env("MINI_PIPE_PRELOAD_LOG", &log), &held);
    let made = fs::read(&log).unwrap_or_default();
    let _ = fs::remove_dir_all(&folder);
    let status = ended?;
    say(summary(&made));
    Ok(status)
}

/// Makes a folder for the log, which only this user may use. A process that outlives the program
/// finds it no more, and so does not make the log again.
fn make_folder() -> io::Result<PathBuf> {
    // Programs may change their directory.
    let template = path::absolute(env::temp_dir().join("mini-pipe-XXXXXX"))?;
    Ok(mkdtemp(&template)?)
}

/// `3 mini_pipes made: 2 by bash, 1 by tar`, from the lines of the library's log.
fn summary(log: &[u8]) -> String {
    // The names of programs can be any bytes.
    let log = String::from_utf8_lossy(log);
    let mut counts = BTreeMap::<&str, usize>::new();
    for line in log.lines() {
        let name = line.rsplit_once(' ').map_or(line, |(name, _pid)| name);
        *counts.entry(name).or_default() += 1;
    }
    let total: usize = counts.values().sum();
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let list: Vec<_> = counts
        .iter()
        .map(|(name, count)| format!("{count} by {}", printable(name)))
        .collect();
    match total {
        0 => "no mini_pipe made".to_owned(),
        1 => format!("1 mini_pipe made: {}", list.join(", ")),
        _ => format!("{total} mini_pipes made: {}", list.join(", ")),
    }
}

/// Why a program did not start.
fn explain(name: &OsStr, error: &io::Error) -> Failure {
    let name = name.to_string_lossy();
    if error.kind() == io::ErrorKind::NotFound {
        failure(format!(
            "there is no program {name}: check its name and $PATH"
        ))
        .with_status(NOT_FOUND)
    } else {
        failure(format!("{name} cannot be run: {}", reason(error))).with_status(NOT_EXECUTABLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_added_to_others() {
        let library = Path::new("/lib/mine.so");
        assert_eq!(preload(library, None), "/lib/mine.so");
        assert_eq!(preload(library, Some("".into())), "/lib/mine.so");
        assert_eq!(preload(library, Some("a.so".into())), "a.so:/lib/mine.so");
    }

    #[test]
    fn the_loader_would_split_some_paths() {
        for (path, fits) in [
            ("/lib/mine.so", true),
            ("/my lib/mine.so", false),
            ("/lib:/mine.so", false),
        ] {
            assert_eq!(check_path(Path::new(path)).is_ok(), fits, "{path}");
        }
    }

    #[test]
    fn the_summary_counts_by_program() {
        assert_eq!(summary(b""), "no mini_pipe made");
        assert_eq!(summary(b"tar 7\n"), "1 mini_pipe made: 1 by tar");
        assert_eq!(
            summary(b"tar 7\nmy prog 3\nmy prog 4\n"),
            "3 mini_pipes made: 2 by my prog, 1 by tar"
        );
        assert_eq!(
            summary(b"\x1btar\xff 7\n"),
            "1 mini_pipe made: 1 by \u{fffd}tar\u{fffd}"
        );
    }
}
