// SPDX-License-Identifier: GPL-2.0

//! The state of the machine: what the kernel reports, and whether the module is as it was before
//! the programs ran.

use std::{
    fs::{
        self,
        File,
        OpenOptions, //
    },
    io::{
        self,
        Read,
        Write, //
    },
    os::{
        fd::AsRawFd,
        unix::fs::OpenOptionsExt, //
    },
    path::Path,
    ptr,
    thread::sleep,
    time::{
        Duration,
        Instant, //
    }, //
};

const DEVICE: &str = "/dev/mini_pipe";
const MODULE: &str = "/sys/module/mini_pipe";

/// An ordinary user reaches these limits with the sizes of calls/settings.h.
const PARAMETERS: &std::ffi::CStr = c"user_pages_soft=18 max_capacity=500000";
const SOFT_LIMIT: &str = "/sys/module/mini_pipe/parameters/user_pages_soft";
const USUAL_SOFT_LIMIT: &str = "18";

/// Set so that KUnit does not test the module again at each load.
const KUNIT_FILTER: &str = "/sys/module/kunit/parameters/filter_glob";

/// root without privileges, and ORDINARY_USER of calls/run.h.
const USERS: [u32; 2] = [0, 1000];
/// More pages than a user has in pipes.
const MANY_PAGES: usize = 4096;

/// `_IOWR(MINI_PIPE_IOC_MAGIC, 1, struct mini_pipe_pair)`, and that structure.
const IOC_PAIR: u64 = 0xc010_bb01;

/// How long what [`in_time`] runs may take.
const HANG: Duration = Duration::from_secs(20);
/// How long pages and references of a program may outlast it.
const SETTLE: Duration = Duration::from_secs(6);

/// The words of a kernel's reports: most of those in scripts/ktap.py. "Out of memory" and
/// "segfault" are no fault of the kernel here.
const REPORTS: [&str; 18] = [
    "WARNING:",
    "BUG:",
    "BUG ",
    "Oops",
    "Kernel panic",
    "INFO: task",
    "INFO: possible",
    "INFO: trying",
    "INFO: rcu",
    "rcu: INFO",
    "KASAN",
    "UBSAN",
    "suspicious RCU",
    "general protection fault",
    "refcount_t:",
    "corruption",
    "soft lockup",
    "kernel NULL pointer",
];

pub struct Machine {
    log: File,
    pages: [usize; USERS.len()],
}

impl Machine {
    /// Loads the module. [`Machine::check`] compares later states with the present one.
    pub fn new() -> io::Result<Self> {
        let log = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/kmsg")?;
        let _ = fs::write(KUNIT_FILTER, "none");
        let mut machine = Self {
            log,
            pages: [0; USERS.len()],
        };
        machine.prepare();
        for (pages, user) in machine.pages.iter_mut().zip(USERS) {
            *pages = pages_of(user);
        }
        while machine.report().is_some() {}
        Ok(machine)
    }

    /// Loads the module, unless it is loaded.
    pub fn prepare(&self) {
        if !Path::new(DEVICE).exists() {
            load();
        }
    }

    /// The next complaint of the kernel.
    pub fn report(&mut self) -> Option<String> {
        let mut bytes = [0; 8192];
        loop {
            let len = match self.log.read(&mut bytes) {
                Ok(len) => len,
                // Records were overwritten.
                Err(error) if error.raw_os_error() == Some(libc::EPIPE) => continue,
                Err(_) => return None,
            };
            let record = String::from_utf8_lossy(&bytes[..len]);
            let text = record.split_once(';').map_or("", |(_, text)| text);
            let text = text.lines().next().unwrap_or("");
            if REPORTS.iter().any(|report| text.contains(report)) {
                return Some(text.to_string());
            }
        }
    }

    /// Checks that all is as before the programs, and loads the module anew.
    pub fn check(&mut self) -> Result<(), String> {
        // SAFETY: It has no argument.
        in_time("sync(2)", || unsafe { libc::sync() })?;
        self.prepare();
        if !becomes_true(SETTLE, || read(&format!("{MODULE}/refcnt")) == "0") {
            return Err("nobody uses a pipe, but the module is in use".into());
        }
        for (pages, user) in self.pages.iter_mut().zip(USERS) {
            let mut now = 0;
            if !becomes_true(SETTLE, || {
                now = pages_of(user);
                now == *pages
            }) {
                let text = format!("user {user} has {now} pages in pipes, and had {pages} before");
                *pages = now;
                return Err(text);
            }
        }
        in_time("rmmod", unload)?;
        if Path::new(DEVICE).exists() {
            return Err("the module cannot be unloaded".into());
        }
        in_time("insmod", load)?;
        if !passes_a_byte().unwrap_or(false) {
            return Err("the pipe does not pass a byte on".into());
        }
        match self.report() {
            Some(report) => Err(report),
            None => Ok(()),
        }
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_string()
}

fn load() {
    let Ok(file) = File::open("mini_pipe.ko") else {
        return;
    };
    // SAFETY: The descriptor and the string are valid.
    unsafe {
        libc::syscall(
            libc::SYS_finit_module,
            file.as_raw_fd(),
            PARAMETERS.as_ptr(),
            0,
        )
    };
}

fn unload() {
    // SAFETY: The string is valid.
    unsafe {
        libc::syscall(
            libc::SYS_delete_module,
            c"mini_pipe".as_ptr(),
            libc::O_NONBLOCK,
        )
    };
}

fn becomes_true(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    while !condition() {
        if Instant::now() > end {
            return false;
        }
        sleep(Duration::from_millis(2));
    }
    true
}

/// Runs the call in a process of its own, so that a hang does not stop the fuzzer.
fn in_time(name: &str, call: impl FnOnce()) -> Result<(), String> {
    // SAFETY: This process has one thread.
    let child = unsafe { libc::fork() };
    if child == 0 {
        call();
        // SAFETY: It does not return.
        unsafe { libc::_exit(0) };
    }
    let has_ended = || {
        // SAFETY: The kernel does not write to a null pointer.
        unsafe { libc::waitpid(child, ptr::null_mut(), libc::WNOHANG) == child }
    };
    if becomes_true(HANG, has_ended) {
        Ok(())
    } else {
        Err(format!("{name} hangs"))
    }
}

fn passes_a_byte() -> io::Result<bool> {
    let mut pipe = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(DEVICE)?;
    let mut bytes = [0; 2];
    pipe.write_all(b"x")?;
    Ok(pipe.read(&mut bytes)? == 1 && bytes[0] == b'x')
}

/// How many pages the pipes of the user have: the largest soft limit under which the user cannot
/// make a pipe of one page.
fn pages_of(user: u32) -> usize {
    // SAFETY: A new mapping, which is unmapped below.
    let found = unsafe {
        libc::mmap(
            ptr::null_mut(),
            size_of::<usize>(),
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
        .cast::<usize>()
    };
    // Only root can open the parameter, but whoever has the descriptor can write to it.
    let parameter = OpenOptions::new().write(true).open(SOFT_LIMIT);
    let device = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_ACCMODE)
        .open(DEVICE);
    let _ = in_time("a test of the limits", || {
        let (Ok(mut parameter), Ok(device)) = (parameter, device) else {
            return;
        };
        drop_privileges(user);
        // With the limit `low` there is no room for a page; with `high` there is.
        let (mut low, mut high) = (0, MANY_PAGES);
        while high - low > 1 {
            let limit = (low + high) / 2;
            let _ = write!(parameter, "{limit}");
            if can_make_a_pipe(&device) {
                high = limit;
            } else {
                low = limit;
            }
        }
        // SAFETY: The mapping is valid.
        unsafe { found.write_volatile(low) };
    });
    let _ = fs::write(SOFT_LIMIT, USUAL_SOFT_LIMIT);
    // SAFETY: The mapping is valid, and not used afterwards.
    unsafe {
        let pages = found.read_volatile();
        libc::munmap(found.cast(), size_of::<usize>());
        pages
    }
}

/// The caller becomes this user, without any capability.
fn drop_privileges(user: u32) {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    // _LINUX_CAPABILITY_VERSION_3
    let header = Header {
        version: 0x2008_0522,
        pid: 0,
    };
    let none = [0_u32; 6];
    // SAFETY: The structures are valid, and the kernel only reads them.
    unsafe {
        libc::setresuid(user, user, user);
        libc::syscall(libc::SYS_capset, &header, none.as_ptr());
    }
}

fn can_make_a_pipe(device: &File) -> bool {
    // `struct mini_pipe_pair`: flags, capacity, read_fd, write_fd.
    let mut pair = [0_i32, 4096, -1, -1];
    // SAFETY: The structure is valid, and the descriptors are new.
    unsafe {
        if libc::ioctl(device.as_raw_fd(), IOC_PAIR, pair.as_mut_ptr()) != 0 {
            return false;
        }
        libc::close(pair[2]);
        libc::close(pair[3]);
    }
    true
}
