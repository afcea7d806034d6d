// SPDX-License-Identifier: GPL-2.0

//! Records the events of all mini_pipes while a program runs, in an instance of tracefs of its own,
//! which does not disturb other users of tracefs.

use super::trace;
use crate::{
    failure::{
        failure,
        reason,
        Failure,
        Result, //
    },
    pipes::{
        Id,
        Places, //
    }, //
};
use std::{
    fs,
    io,
    path::{
        Path,
        PathBuf, //
    },
    process, //
};

const TRACEFS: &str = "/sys/kernel/tracing";
const ENABLE: &str = "events/mini_pipe/enable";

/// The recording, which ends when this is dropped.
pub struct Recording {
    instance: PathBuf,
    /// The bytes that the pipes had before.
    before: String,
}

impl Recording {
    pub fn start() -> Result<Self> {
        let instances = Path::new(TRACEFS).join("instances");
        let instance = instances.join(format!("mini_pipe_timeline_{}", process::id()));
        fs::create_dir(&instance).map_err(|error| why_no_instance(&error))?;
        // From here on, the instance is removed in any case.
        let mut recording = Self {
            instance,
            before: String::new(),
        };
        // A clock that all processors share.
        let _ = fs::write(recording.instance.join("trace_clock"), "mono");
        for pipe in Places::default().pipes() {
            let number = match pipe.id {
                Id::Device => 0,
                Id::Private(inode) => inode,
            };
            recording.before += &trace::remark_of_bytes(number, pipe.bytes);
        }
        fs::write(recording.instance.join(ENABLE), "1").map_err(|error| why_no_events(&error))?;
        Ok(recording)
    }

    /// Stops, and returns what was recorded, as [`trace::Trace::parse`] reads it.
    pub fn stop(self) -> Result<String> {
        let _ = fs::write(self.instance.join(ENABLE), "0");
        // The names of tasks can be any bytes.
        let text = fs::read(self.instance.join("trace"))
            .map_err(|error| failure(format!("the trace cannot be read: {}", reason(&error))))?;
        Ok(self.before.clone() + &String::from_utf8_lossy(&text))
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let _ = fs::write(self.instance.join(ENABLE), "0");
        let _ = fs::remove_dir(&self.instance);
    }
}

fn why_no_instance(error: &io::Error) -> Failure {
    failure(match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "only root may record events: use sudo, or give a trace with --trace FILE".to_owned()
        }
        io::ErrorKind::NotFound => {
            format!("tracefs is not mounted: as root, mount -t tracefs nodev {TRACEFS}")
        }
        _ => format!(
            "no events can be recorded, as tracefs makes no instance: {}",
            reason(error)
        ),
    })
}

fn why_no_events(error: &io::Error) -> Failure {
    failure(match error.kind() {
        // Writing into a folder of tracefs never makes a file.
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => {
            "there are no events of mini_pipe: sudo modprobe mini_pipe, and if it is loaded, use a \
             kernel with CONFIG_TRACEPOINTS"
                .to_owned()
        }
        _ => format!(
            "the events of mini_pipe cannot be recorded: {}",
            reason(error)
        ),
    })
}
