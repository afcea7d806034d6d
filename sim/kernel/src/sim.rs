// SPDX-License-Identifier: GPL-2.0

//! The stage: the tasks of one run, what they may do, and what a test sees of it.

use crate::{
    rt::{self, Parking},
    task::task_struct,
    uaccess,
};
use std::{
    cell::{Cell, RefCell, UnsafeCell},
    ops::Range,
    rc::Rc,
};

#[cfg(not(feature = "loom"))]
pub use crate::rt::set_coarse;
pub use crate::{
    rt::{point, JoinHandle},
    uaccess::{map, peek, Faults},
};

/// What a test wants to see.
pub trait Watcher {
    /// A task is about to drop the mutex of a `type_name` at `value`. This must not switch tasks.
    fn unlocking(&self, type_name: &str, value: *const ());

    /// All other tasks sleep or have ended, and the current one is about to. This may wake tasks;
    /// except for that, it must not switch to another one.
    fn quiet(&self);
}

/// One task.
struct Task {
    parking: Parking,
    state: Cell<State>,
    signal: Cell<bool>,
    /// It sleeps in a page fault, or for a lock, until [`release`].
    stuck: Cell<bool>,
    mutexes: Cell<usize>,
    /// How many of its allocations succeed from now on.
    memory: Cell<usize>,
    /// How often it has spun or slept.
    waits: Cell<usize>,
    /// It holds a lock that others need, and with which it must not wait in a queue.
    holds: Cell<bool>,
    raw: UnsafeCell<task_struct>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    /// `TASK_INTERRUPTIBLE`, but not asleep yet.
    Preparing,
    Asleep,
}

/// Bytes that a copy uses.
struct Claimed {
    bytes: Range<usize>,
    writes: bool,
}

/// One run.
pub struct World {
    tasks: Vec<Rc<Task>>,
    /// How many tasks neither sleep nor have ended.
    runnable: usize,
    /// Tasks that were woken, and are still parked: see [`let_run`].
    woken: Vec<usize>,
    watcher: Option<Rc<dyn Watcher>>,
    /// Why the run has failed: nothing is checked any more.
    failure: Option<String>,
    memory_has_ended: bool,
    now: u64,
    random: u64,
    claims: Vec<Rc<Claimed>>,
    pub(crate) buffers: Vec<uaccess::Buffer>,
}

impl World {
    const fn new() -> Self {
        Self {
            tasks: Vec::new(),
            runnable: 0,
            woken: Vec::new(),
            watcher: None,
            failure: None,
            memory_has_ended: false,
            now: 0,
            random: 0,
            claims: Vec::new(),
            buffers: Vec::new(),
        }
    }

    fn random(&mut self) -> u64 {
        // xorshift64
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

std::thread_local! {
    static WORLD: RefCell<World> = const { RefCell::new(World::new()) };
}

rt::thread_local! {
    static CURRENT: Cell<usize> = Cell::new(usize::MAX);
}

pub(crate) fn with<T>(work: impl FnOnce(&mut World) -> T) -> T {
    WORLD.with_borrow_mut(work)
}

fn task(id: usize) -> Rc<Task> {
    with(|world| world.tasks[id].clone())
}

fn has_failed() -> bool {
    std::thread::panicking() || with(|world| world.failure.is_some())
}

/// Begins a run, whose task 0 is the caller. `seed` decides what the scheduler does not: how long
/// things take.
pub fn start(seed: u64) {
    with(|world| {
        *world = World::new();
        world.random = seed | 1;
    });
    CURRENT.with(|current| current.set(add_task()));
}

/// From now on `watcher` sees what happens.
pub fn watch(watcher: Rc<dyn Watcher>) {
    with(|world| world.watcher = Some(watcher));
}

/// Ends a run: returns why it has failed, if it has.
pub fn end() -> Option<String> {
    // If the run has failed, the watcher may be the last to have its pipe. Freeing the pipe breaks
    // no rule while `failure` is set, so the watcher is dropped first.
    let watcher = with(|world| world.watcher.take());
    drop(watcher);
    with(|world| std::mem::replace(world, World::new())).failure
}

/// The run has failed. Ends it.
#[track_caller]
pub fn fail(why: &str) {
    if !has_failed() {
        with(|world| world.failure = Some(why.to_owned()));
        panic!("{why}");
    }
}

fn add_task() -> usize {
    let task = Task {
        parking: Parking::new(),
        state: Cell::new(State::Running),
        signal: Cell::new(false),
        stuck: Cell::new(false),
        mutexes: Cell::new(0),
        memory: Cell::new(usize::MAX),
        waits: Cell::new(0),
        holds: Cell::new(false),
        raw: UnsafeCell::default(),
    };
    with(|world| {
        world.tasks.push(Rc::new(task));
        world.runnable += 1;
        world.tasks.len() - 1
    })
}

/// Starts a task.
pub fn spawn(work: impl FnOnce() + 'static) -> JoinHandle<()> {
    let id = add_task();
    let work = TakesTurns(work);
    rt::spawn(move || {
        CURRENT.with(|current| current.set(id));
        work.call();
        stop_running();
    })
}

/// Lets a task have what is not `Send`: all tasks are on one thread, and take turns.
struct TakesTurns<F>(F);

// SAFETY: As above.
unsafe impl<F> Send for TakesTurns<F> {}

impl<F: FnOnce()> TakesTurns<F> {
    fn call(self) {
        (self.0)()
    }
}

/// Waits until other tasks have ended.
pub fn join(tasks: Vec<JoinHandle<()>>) {
    stop_running();
    for task in tasks {
        // A task that panics ends the run.
        let _ = task.join();
    }
    with(|world| world.runnable += 1);
}

/// The number of the current task, in the order of [`spawn`].
pub fn current() -> usize {
    CURRENT.with(Cell::get)
}

pub(crate) fn current_raw() -> *mut task_struct {
    task(current()).raw.get()
}

fn watcher() -> Option<Rc<dyn Watcher>> {
    with(|world| {
        let watches = world.failure.is_none();
        world.watcher.clone().filter(|_| watches)
    })
}

/// The current task sleeps, or has ended.
fn stop_running() {
    let runnable = with(|world| {
        world.runnable -= 1;
        world.runnable
    });
    if runnable == 0 && !has_failed() {
        if let Some(watcher) = watcher() {
            watcher.quiet();
        }
    }
}

/// From now on [`schedule`] sleeps, until the task is woken: `set_current_state()`.
pub fn prepare_to_sleep() {
    task(current()).state.set(State::Preparing);
}

/// Sleeps, unless the task was woken since [`prepare_to_sleep`], or a signal is pending.
pub fn schedule() {
    may_sleep("schedule()");
    count_wait();
    rt::point();
    let task = task(current());
    if task.signal.get() {
        task.state.set(State::Running);
    }
    if task.state.get() == State::Preparing {
        task.state.set(State::Asleep);
        stop_running();
        while task.state.get() == State::Asleep {
            task.parking.park();
        }
    }
    task.state.set(State::Running);
}

/// Makes a task runnable. Returns whether it slept, or was about to: `try_to_wake_up()`. It runs
/// only after [`let_run`], so that several can be woken at once.
pub(crate) fn wake(id: usize) -> bool {
    let state = task(id).state.replace(State::Running);
    if state == State::Asleep {
        with(|world| {
            world.runnable += 1;
            world.woken.push(id);
        });
    }
    state != State::Running
}

/// Lets the tasks run that [`wake`] has made runnable.
pub(crate) fn let_run() {
    while let Some(id) = with(|world| world.woken.pop()) {
        task(id).parking.unpark();
    }
}

/// Sends a signal to a task, if it has started: `signal_wake_up()`.
pub fn signal(id: usize) {
    if with(|world| id >= world.tasks.len()) {
        return;
    }
    task(id).signal.set(true);
    if !task(id).stuck.get() {
        wake(id);
        let_run();
    }
}

pub(crate) fn signal_pending() -> bool {
    rt::point();
    has_signal()
}

/// Whether a signal is pending. Does not switch.
pub fn has_signal() -> bool {
    task(current()).signal.get()
}

/// The task does not sleep after all: `__set_current_state(TASK_RUNNING)`.
pub fn run_again() {
    task(current()).state.set(State::Running);
}

/// The current task handles its signals, as it does on the way back to user space. Returns whether
/// there was one.
pub fn take_signal() -> bool {
    task(current()).signal.replace(false)
}

/// Sleeps in a page fault, or for a lock that another task keeps, until [`release`]. A signal does
/// not end this.
pub fn sleep_until_released() {
    let task = task(current());
    task.stuck.set(true);
    task.state.set(State::Asleep);
    stop_running();
    while task.state.get() == State::Asleep {
        task.parking.park();
    }
}

/// Whether a task sleeps in [`sleep_until_released`].
pub fn is_stuck(id: usize) -> bool {
    task(id).stuck.get()
}

/// The current task takes or drops the lock of a pipe(2), with which it must not wait in a queue.
pub fn set_holds(holds: bool) {
    task(current()).holds.set(holds);
}

/// How often the current task has spun or slept.
pub fn waits() -> usize {
    task(current()).waits.get()
}

pub(crate) fn count_wait() {
    let task = task(current());
    if task.holds.get() {
        fail("a task waits with the destination of its splice locked");
    }
    task.waits.set(task.waits.get() + 1);
}

/// Lets a task that [`is_stuck`] go on.
pub fn release(id: usize) {
    if task(id).stuck.replace(false) {
        wake(id);
        let_run();
    }
}

pub(crate) fn locked() {
    let task = task(current());
    task.mutexes.set(task.mutexes.get() + 1);
}

pub(crate) fn unlocking(type_name: &str, value: *const ()) {
    if has_failed() {
        return;
    }
    let task = task(current());
    task.mutexes.set(task.mutexes.get() - 1);
    if let Some(watcher) = watcher() {
        watcher.unlocking(type_name, value);
    }
}

/// How many mutexes the current task holds.
fn mutexes() -> usize {
    // A run that has failed may have no scheduler any more, and so no current task.
    if has_failed() || current() == usize::MAX {
        return 0;
    }
    task(current()).mutexes.get()
}

/// The current task is about to do something that may sleep: `might_sleep()`.
#[track_caller]
pub(crate) fn may_sleep(what: &str) {
    // In the kernel, a task may wait for a mutex while it holds another one; the core never does.
    if mutexes() > 0 {
        fail(&format!("{what} with a mutex held"));
    }
}

/// The current task's allocations fail after the next `count`; [`None`]: they do not fail.
pub fn limit_memory(count: Option<usize>) {
    task(current()).memory.set(count.unwrap_or(usize::MAX));
}

/// Calls `work`, during which no allocation fails.
pub fn without_limit<T>(work: impl FnOnce() -> T) -> T {
    let before = task(current()).memory.replace(usize::MAX);
    let result = work();
    task(current()).memory.set(before);
    result
}

/// Whether the memory of some task has ended in this run.
pub fn memory_has_ended() -> bool {
    with(|world| world.memory_has_ended)
}

/// Something is allocated. Returns whether there is memory.
#[track_caller]
pub fn allocate() -> bool {
    if mutexes() > 0 {
        fail("memory allocated with a mutex held");
    }
    has_memory()
}

/// Whether there is memory, for what may also be allocated with a mutex held.
pub fn has_memory() -> bool {
    let task = task(current());
    let left = task.memory.get();
    if left != usize::MAX {
        task.memory.set(left.saturating_sub(1));
    }
    if left == 0 {
        with(|world| world.memory_has_ended = true);
    }
    left > 0
}

/// `what` is freed: not with a mutex held.
#[track_caller]
pub fn may_free(what: &str) {
    if mutexes() > 0 {
        fail(&format!("{what} freed with a mutex held"));
    }
}

/// A look at the clock, in microseconds.
pub(crate) fn look_at_clock() -> u64 {
    with(|world| {
        let step = [1, 1, 1, 40, 60, 110][world.random() as usize % 6];
        world.now += step;
        world.now
    })
}

/// Returns true at random, once in `times` calls.
pub fn is_chance(times: usize) -> bool {
    with(|world| world.random() as usize % times == 0)
}

/// While this exists, a copy uses the bytes that it has claimed.
pub struct Claim(Rc<Claimed>);

impl Drop for Claim {
    fn drop(&mut self) {
        with(|world| world.claims.retain(|claim| !Rc::ptr_eq(claim, &self.0)));
    }
}

/// A copy uses `len` bytes at `address`. Fails if another one uses some of them, and one of the two
/// writes: KCSAN.
#[track_caller]
pub fn claim(address: usize, len: usize, writes: bool) -> Claim {
    let bytes = address..address + len;
    let conflict = with(|world| {
        world.claims.iter().any(|other| {
            (writes || other.writes)
                && bytes.start < other.bytes.end
                && other.bytes.start < bytes.end
        })
    });
    if conflict {
        fail("two copies use the same bytes, and one of them writes");
    }
    let claimed = Rc::new(Claimed { bytes, writes });
    with(|world| world.claims.push(claimed.clone()));
    Claim(claimed)
}
