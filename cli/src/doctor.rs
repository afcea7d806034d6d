// SPDX-License-Identifier: GPL-2.0

//! `mini-pipe doctor`: finds out why mini_pipes do not work here, and what to do.

use crate::{
    device::{
        self,
        DEVICE, //
    },
    pipes::Pipe,
    run, //
};
use nix::{
    errno::Errno,
    sys::{
        stat::stat,
        utsname::uname, //
    },
    unistd::{
        Gid,
        Group,
        User, //
    }, //
};
use std::{
    fs,
    io::{
        Read,
        Write, //
    },
    path::Path, //
};

const MODULE: &str = "/sys/module/mini_pipe";
const SECURE_BOOT: &str =
    "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

/// The oldest kernel for which the module can be built.
const OLDEST: (u32, u32) = (7, 2);

/// What a check has found.
enum Finding {
    Fact(String),
    /// What is wrong, and what to do.
    Fault(String),
    /// What another check has found makes this one impossible.
    Impossible,
}

use Finding::{
    Fact,
    Fault,
    Impossible, //
};

/// Finds something out.
type Check = fn() -> Finding;

/// Checks one thing after the other. Returns a line about each, and whether all is well.
pub fn report() -> (String, bool) {
    let checks: [(&str, Check); 6] = [
        ("kernel", kernel),
        ("module", module),
        ("version", version),
        ("device", device_opens),
        ("pipe", pipe_works),
        ("library", library),
    ];
    let mut report = String::new();
    let mut well = true;
    for (name, check) in checks {
        report += &match check() {
            Fact(text) => format!("ok     {name:8} {text}\n"),
            Fault(text) => {
                well = false;
                format!("FAULT  {name:8} {text}\n")
            }
            Impossible => format!("-      {name:8} not checked, because of the above\n"),
        };
    }
    (report, well)
}

fn release() -> String {
    uname().map_or_else(
        |_| "?".to_owned(),
        |name| name.release().to_string_lossy().into_owned(),
    )
}

fn kernel() -> Finding {
    let release = release();
    if version_of(&release) >= Some(OLDEST) {
        Fact(format!("Linux {release}"))
    } else {
        Fault(format!(
            "Linux {release} is too old: mini_pipe needs {}.{} or newer, with CONFIG_RUST",
            OLDEST.0, OLDEST.1
        ))
    }
}

/// The first two numbers of a release.
fn version_of(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn module() -> Finding {
    if Path::new(MODULE).exists() {
        return Fact("mini_pipe is loaded".to_owned());
    }
    let release = release();
    if !is_installed(&release) {
        return Fault(format!(
            "there is no module mini_pipe for Linux {release}: install the package \
             mini-pipe-modules-{release}, or mini-pipe-dkms if the kernel's headers have the Rust \
             metadata"
        ));
    }
    // The last of five bytes is the value.
    let secure = fs::read(SECURE_BOOT).is_ok_and(|value| value.last() == Some(&1));
    Fault(if secure {
        "mini_pipe is not loaded: sudo modprobe mini_pipe, which needs a module signed with a key \
         that this machine knows, as Secure Boot is on; see signing.md in the documentation"
            .to_owned()
    } else {
        "mini_pipe is not loaded: sudo modprobe mini_pipe".to_owned()
    })
}

/// Whether modprobe would find the module.
fn is_installed(release: &str) -> bool {
    let index = fs::read_to_string(format!("/lib/modules/{release}/modules.dep"));
    index.is_ok_and(|index| {
        let files = index.lines().filter_map(|line| line.split(':').next());
        let mut names = files.filter_map(|file| file.rsplit('/').next());
        names.any(|name| name.starts_with("mini_pipe.ko"))
    })
}

fn version() -> Finding {
    let own = env!("CARGO_PKG_VERSION");
    match fs::read_to_string(format!("{MODULE}/version")) {
        Ok(loaded) if loaded.trim() == own => Fact(format!("module and command are {own}")),
        Ok(loaded) => Fault(format!(
            "the module is {}, and this command {own}: load the installed module with \
             sudo modprobe -r mini_pipe && sudo modprobe mini_pipe",
            loaded.trim()
        )),
        Err(_) => Impossible,
    }
}

fn device_opens() -> Finding {
    match device::open_for_ioctls(Path::new(DEVICE)) {
        Ok(_) => Fact(format!("you may open {DEVICE}")),
        Err(errno) => Fault(why_not_open(errno)),
    }
}

/// Why the device cannot be opened, and what to do.
pub fn why_not_open(errno: Errno) -> String {
    match errno {
        Errno::ENOENT | Errno::ENXIO | Errno::ENODEV => {
            format!("there is no {DEVICE}: sudo modprobe mini_pipe")
        }
        Errno::EACCES | Errno::EPERM => match stat(DEVICE) {
            Ok(node) if node.st_mode & 0o060 == 0o060 && node.st_gid != 0 => {
                let gid = Gid::from_raw(node.st_gid);
                let user = user_name();
                let (group, members) = match Group::from_gid(gid).ok().flatten() {
                    Some(group) => (group.name, group.mem),
                    None => (gid.to_string(), Vec::new()),
                };
                if members.contains(&user) {
                    format!(
                        "{DEVICE} is for the group {group}, in which {user} is from the next login \
                         on: log in again"
                    )
                } else {
                    format!(
                        "{DEVICE} is for the group {group}: sudo usermod -aG {group} {user}, then \
                         log in again"
                    )
                }
            }
            _ => format!(
                "{DEVICE} is for root only: the package mini-pipe opens it to the group mini_pipe, \
                 and the next load of the module applies that"
            ),
        },
        _ => format!("{DEVICE} cannot be opened: {}", errno.desc()),
    }
}

fn user_name() -> String {
    let user = User::from_uid(nix::unistd::getuid()).ok().flatten();
    user.map_or_else(|| "$USER".to_owned(), |user| user.name)
}

/// If there are no pipes to be seen because the device cannot be opened: why, and what to do.
pub fn why_no_pipes(pipes: &[Pipe]) -> Option<String> {
    if !pipes.is_empty() {
        return None;
    }
    device::open_for_ioctls(Path::new(DEVICE))
        .err()
        .map(why_not_open)
}

/// A byte goes through a private pipe.
fn pipe_works() -> Finding {
    let Ok(device) = device::open_for_ioctls(Path::new(DEVICE)) else {
        return Impossible;
    };
    let (mut reader, mut writer) = match device::new_pair(&device) {
        Ok(pair) => pair,
        Err(Errno::ENFILE) => {
            return Fault(
                "no private pipe can be made: your pipes have more pages than user_pages_hard \
                 allows, or too many files are open in the system"
                    .to_owned(),
            )
        }
        Err(errno) => return Fault(format!("no private pipe can be made: {}", errno.desc())),
    };
    let mut byte = [0];
    let moved = writer
        .write_all(b"x")
        .and_then(|()| reader.read_exact(&mut byte));
    match moved {
        Ok(()) if byte == *b"x" => Fact("a byte went through a private pipe".to_owned()),
        Ok(()) => Fault(format!(
            "a private pipe returned {byte:?} for an x: {REPORT}"
        )),
        Err(error) => Fault(format!("a private pipe does not work ({error}): {REPORT}")),
    }
}

const REPORT: &str = "please report this fault, with the end of dmesg";

fn library() -> Finding {
    match run::find_library() {
        Ok(library) => Fact(library.display().to_string()),
        Err(failure) => Fault(failure.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_begins_with_its_version() {
        assert_eq!(version_of("7.3.4+deb13-cloud-amd64"), Some((7, 3)));
        assert_eq!(version_of("7.10"), Some((7, 10)));
        assert_eq!(version_of("?"), None);
        assert!(version_of("6.19.14") < Some(OLDEST));
        assert!(version_of("7.10.1") > Some(OLDEST));
    }

    #[test]
    fn a_missing_device_means_a_missing_module() {
        assert!(why_not_open(Errno::ENOENT).contains("modprobe mini_pipe"));
    }
}
