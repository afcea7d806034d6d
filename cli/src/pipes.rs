// SPDX-License-Identifier: GPL-2.0

//! All pipes that the user may see, and who has which end.
//!
//! The state of a pipe, and who has it, comes from /proc/PID/fd and /proc/PID/fdinfo, which show a
//! user the files of the user's own processes, and root those of all. In debugfs, root also sees
//! pipes that no process has in its table of descriptors, and how many tasks sleep.

use crate::{
    device::DEVICE,
    fields::Fields,
    output::printable, //
};
use nix::libc;
use serde::{
    Serialize,
    Serializer, //
};
use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{
        Path,
        PathBuf, //
    },
};

/// A pipe.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pipe {
    #[serde(rename = "pipe")]
    pub id: Id,
    /// In bytes.
    pub capacity: u64,
    /// How many bytes can be read.
    pub bytes: u64,
    pub policy: String,
    /// How many open files are a reader, or a writer.
    pub readers: u64,
    pub writers: u64,
    /// How many bytes have been written, and read, since the pipe was made.
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// How often a reader, or a writer, has gone to sleep.
    pub reader_sleeps: u64,
    pub writer_sleeps: u64,
    /// How many tasks sleep in a read, or a write, now; unknown without debugfs.
    pub reader_sleepers: Option<u64>,
    pub writer_sleepers: Option<u64>,
    /// The descriptors of the pipe in the processes that the user may see.
    pub holders: Vec<Holder>,
}

/// Which pipe.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Id {
    /// That of the device.
    Device,
    /// A private one, with its inode number.
    Private(u64),
}

impl Id {
    /// The pipe that the text of a link in /proc/PID/fd names.
    fn from_link(target: &str) -> Option<Self> {
        if target == DEVICE {
            return Some(Self::Device);
        }
        let inode = target.strip_prefix("mini_pipe:[")?.strip_suffix(']')?;
        Some(Self::Private(inode.parse().ok()?))
    }
}

/// As the links of /proc/PID/fd name it.
impl Serialize for Id {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Device => to.serialize_str(DEVICE),
            Self::Private(inode) => to.collect_str(&format_args!("mini_pipe:[{inode}]")),
        }
    }
}

/// As tables show it.
impl fmt::Display for Id {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device => to.pad("device"),
            Self::Private(inode) => to.pad(&inode.to_string()),
        }
    }
}

/// A descriptor of a pipe.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Holder {
    pub pid: u32,
    /// The name of the process, as in /proc/PID/comm: it can have any characters.
    pub command: String,
    pub fd: u32,
    pub access: Access,
}

/// Which ends of the pipe an open file is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    Read,
    Write,
    Both,
    /// Access mode 3, or O_PATH.
    Neither,
}

impl Access {
    /// From the flags of open(2) in fdinfo, which are octal.
    fn from_fields(fields: &Fields<'_>) -> Option<Self> {
        let flags = i32::from_str_radix(fields.word("flags")?, 8).ok()?;
        Some(match flags & libc::O_ACCMODE {
            _ if flags & libc::O_PATH != 0 => Self::Neither,
            libc::O_RDONLY => Self::Read,
            libc::O_WRONLY => Self::Write,
            libc::O_RDWR => Self::Both,
            _ => Self::Neither,
        })
    }

    pub fn reads(self) -> bool {
        matches!(self, Self::Read | Self::Both)
    }

    pub fn writes(self) -> bool {
        matches!(self, Self::Write | Self::Both)
    }
}

impl Pipe {
    /// A pipe without holders, with the state in `fields`; [`None`] if they are not of a mini_pipe.
    fn from_fields(id: Id, fields: &Fields<'_>) -> Option<Self> {
        let number = |name| fields.number(name);
        Some(Self {
            id,
            capacity: number("capacity")?,
            bytes: number("bytes")?,
            policy: fields.word("policy")?.to_owned(),
            readers: number("readers")?,
            writers: number("writers")?,
            bytes_in: number("bytes-in")?,
            bytes_out: number("bytes-out")?,
            reader_sleeps: number("reader-sleeps")?,
            writer_sleeps: number("writer-sleeps")?,
            reader_sleepers: number("reader-sleepers"),
            writer_sleepers: number("writer-sleepers"),
            holders: Vec::new(),
        })
    }

    /// The processes with a descriptor of that kind: `cat(812) sh(7)`, each once; `-` for none.
    pub fn who(&self, chosen: impl Fn(Access) -> bool) -> String {
        let holders = self.holders.iter().filter(|holder| chosen(holder.access));
        let mut names: Vec<_> = holders
            .map(|holder| format!("{}({})", printable(&holder.command), holder.pid))
            .collect();
        names.dedup();
        if names.is_empty() {
            names.push("-".to_owned());
        }
        names.join(" ")
    }
}

/// Where the kernel shows the pipes; tests have places of their own.
pub struct Places {
    proc: PathBuf,
    debugfs: PathBuf,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            proc: "/proc".into(),
            debugfs: "/sys/kernel/debug/mini_pipe/pipes".into(),
        }
    }
}

impl Places {
    /// All pipes that can be seen now, in the order of [`Id`].
    pub fn pipes(&self) -> Vec<Pipe> {
        let table = fs::read_to_string(&self.debugfs).unwrap_or_default();
        let rows = Fields::from_table(&table);
        let mut pipes: BTreeMap<_, _> = rows
            .iter()
            .filter_map(|row| {
                let id = Id::from_link(row.word("pipe")?)?;
                Some((id, Pipe::from_fields(id, row)?))
            })
            .collect();
        for (pid, dir) in numbered(&self.proc) {
            add_descriptors(&mut pipes, pid, &dir);
        }
        pipes.into_values().collect()
    }
}

/// The entries of a directory whose names are numbers, with their paths, in order. A process may
/// end at any time, so a directory that cannot be read is an empty one.
fn numbered(dir: &Path) -> Vec<(u32, PathBuf)> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .collect();
    found.sort();
    found
}

/// Adds the descriptors of a process, and the pipes that are not known yet.
fn add_descriptors(pipes: &mut BTreeMap<Id, Pipe>, pid: u32, dir: &Path) {
    for (fd, link) in numbered(&dir.join("fd")) {
        let target = fs::read_link(&link).unwrap_or_default();
        let Some(id) = target.to_str().and_then(Id::from_link) else {
            continue;
        };
        let Ok(text) = fs::read_to_string(dir.join("fdinfo").join(fd.to_string())) else {
            continue;
        };
        let fields = Fields::from_lines(&text);
        let Some(access) = Access::from_fields(&fields) else {
            continue;
        };
        // A descriptor with O_PATH shows no state.
        if let Some(pipe) = Pipe::from_fields(id, &fields) {
            pipes.entry(id).or_insert(pipe);
        }
        if let Some(pipe) = pipes.get_mut(&id) {
            let command = fs::read(dir.join("comm")).unwrap_or_default();
            pipe.holders.push(Holder {
                pid,
                command: String::from_utf8_lossy(&command).trim_end().to_owned(),
                fd,
                access,
            });
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::{
        env,
        os::unix::fs::symlink,
        process, //
    };

    /// A private pipe with that number, which a cat with the same number reads from.
    pub fn pipe(inode: u32) -> Pipe {
        Pipe {
            id: Id::Private(inode.into()),
            capacity: 65536,
            bytes: 700,
            policy: "buffered".to_owned(),
            readers: 1,
            writers: 1,
            bytes_in: 1000,
            bytes_out: 300,
            reader_sleeps: 0,
            writer_sleeps: 0,
            reader_sleepers: None,
            writer_sleepers: None,
            holders: vec![Holder {
                pid: inode,
                command: "cat".to_owned(),
                fd: 0,
                access: Access::Read,
            }],
        }
    }

    const STATE: &str = "capacity:\t128\nbytes:\t6\nreaders:\t1\nwriters:\t2\npolicy:\tbuffered\n\
        bytes-in:\t10\nbytes-out:\t4\nreader-sleeps:\t1\nwriter-sleeps:\t0\n";

    /// Places of one test, removed at its end.
    struct Tree(Places);

    impl Tree {
        fn new(name: &str) -> Self {
            let root = env::temp_dir().join(format!("mini-pipe-{name}-{}", process::id()));
            Self(Places {
                proc: root.join("proc"),
                debugfs: root.join("pipes"),
            })
        }

        fn add(&self, pid: u32, command: impl AsRef<[u8]>, fd: u32, target: &str, info: &str) {
            let dir = self.0.proc.join(pid.to_string());
            fs::create_dir_all(dir.join("fd")).expect("a folder");
            fs::create_dir_all(dir.join("fdinfo")).expect("a folder");
            fs::write(dir.join("comm"), command).expect("a file");
            symlink(target, dir.join("fd").join(fd.to_string())).expect("a link");
            fs::write(dir.join("fdinfo").join(fd.to_string()), info).expect("a file");
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(self.0.proc.parent().expect("a root"));
        }
    }

    fn info(flags: &str) -> String {
        format!("pos:\t0\nflags:\t{flags}\nino:\t5\n{STATE}")
    }

    #[test]
    fn descriptors_of_a_pipe_are_found_in_all_processes() {
        let tree = Tree::new("descriptors");
        tree.add(20, "tar", 1, "mini_pipe:[7]", &info("0100001"));
        tree.add(3, "gzip", 0, "mini_pipe:[7]", &info("0100000"));
        tree.add(3, "gzip", 2, "/dev/null", "pos:\t0\nflags:\t0100002\n");
        tree.add(4, "sh", 3, "/dev/mini_pipe", &info("02100002"));
        tree.add(4, "sh", 4, "pipe:[9]", "pos:\t0\nflags:\t0100000\n");
        let pipes = tree.0.pipes();
        let ids: Vec<_> = pipes.iter().map(|pipe| pipe.id).collect();
        assert_eq!(ids, [Id::Device, Id::Private(7)]);
        assert_eq!(pipes[0].who(Access::reads), "sh(4)");
        assert_eq!(pipes[0].who(Access::writes), "sh(4)");
        assert_eq!(pipes[1].who(Access::reads), "gzip(3)");
        assert_eq!(pipes[1].who(Access::writes), "tar(20)");
        assert_eq!((pipes[1].capacity, pipes[1].bytes), (128, 6));
        assert_eq!((pipes[1].bytes_in, pipes[1].bytes_out), (10, 4));
        assert_eq!(pipes[1].reader_sleepers, None);
    }

    #[test]
    fn a_process_is_named_once_for_each_end() {
        let tree = Tree::new("once");
        for fd in 3..6 {
            tree.add(8, "make", fd, "mini_pipe:[7]", &info("0100000"));
        }
        let pipes = tree.0.pipes();
        assert_eq!(pipes[0].holders.len(), 3);
        assert_eq!(pipes[0].who(Access::reads), "make(8)");
        assert_eq!(pipes[0].who(Access::writes), "-");
    }

    #[test]
    fn a_process_can_have_any_name() {
        let tree = Tree::new("names");
        tree.add(8, b"\x1b[2J\n\xffx\n", 3, "mini_pipe:[7]", &info("0100000"));
        let pipes = tree.0.pipes();
        assert_eq!(pipes[0].holders[0].command, "\x1b[2J\n\u{fffd}x");
        assert_eq!(
            pipes[0].who(Access::reads),
            "\u{fffd}[2J\u{fffd}\u{fffd}x(8)"
        );
    }

    #[test]
    fn files_that_are_neither_end_read_and_write_nothing() {
        for flags in ["0100003", "010000000", "012100000"] {
            let info = info(flags);
            let access = Access::from_fields(&Fields::from_lines(&info));
            assert_eq!(access, Some(Access::Neither), "{flags}");
        }
    }

    #[test]
    fn debugfs_has_pipes_without_descriptors_and_who_sleeps() {
        let tree = Tree::new("debugfs");
        tree.add(3, "cat", 0, "mini_pipe:[7]", &info("0100000"));
        let table = "pipe\tcapacity\tbytes\treaders\twriters\treader-sleepers\twriter-sleepers\t\
            policy\tbytes-in\tbytes-out\treader-sleeps\twriter-sleeps\n\
            mini_pipe:[8]\t64\t1\t1\t1\t0\t2\trendezvous\t5\t4\t0\t0\n\
            mini_pipe:[7]\t128\t0\t1\t1\t1\t0\tbuffered\t5\t5\t1\t0\n\
            /dev/mini_pipe\t65536\t0\t0\t0\t0\t0\tbuffered\t0\t0\t0\t0\n";
        fs::write(&tree.0.debugfs, table).expect("a file");
        let pipes = tree.0.pipes();
        let ids: Vec<_> = pipes.iter().map(|pipe| pipe.id).collect();
        assert_eq!(ids, [Id::Device, Id::Private(7), Id::Private(8)]);
        assert_eq!(pipes[1].reader_sleepers, Some(1));
        assert_eq!(pipes[1].who(Access::reads), "cat(3)");
        assert_eq!(pipes[2].writer_sleepers, Some(2));
        assert!(pipes[2].holders.is_empty());
    }
}
