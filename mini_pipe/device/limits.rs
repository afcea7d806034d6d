// SPDX-License-Identifier: GPL-2.0

//! How large pipes may be, and how many pages of private pipes a user may have: the limits of
//! pipe(7), with the module's parameters in the place of the files in /proc/sys/fs.

use crate::{
    device::{
        params::{
            self,
            DEFAULT_CAPACITY, //
        },
        quota::{
            self,
            Verdict, //
        }, //
    },
    pipe::{
        settings::Size,
        Pipe, //
    },
    ring::storage::{
        pages_for,
        Storage, //
    },
    sys::{
        account::{
            Charge,
            UserAccount, //
        },
        task::{
            has_cap_sys_admin,
            has_cap_sys_resource, //
        }, //
    }, //
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};

/// How many pages a pipe gets if its user is above the soft limit: `PIPE_MIN_DEF_BUFFERS` of
/// fs/pipe.c.
const PIPE_MIN_DEF_BUFFERS: usize = 2;

/// Storage for a new pipe of the caller, who pays for it. Capacity 0 stands for the default, or for
/// less if the default is above a limit.
///
/// Context: process context; may sleep.
///
/// # Errors
///
/// - `EINVAL`, `EPERM`: as for [`check`].
/// - `EPERM`: with the new pipe, the caller is above the soft limit, and asked for a capacity.
/// - `ENFILE`: with the new pipe, the caller is above the hard limit.
/// - `ENOMEM`, `EINTR`: as for [`Storage::new`].
pub(crate) fn new_storage(capacity: usize) -> Result<Storage> {
    let mut size = capacity;
    if capacity != 0 {
        check(capacity)?;
    } else if check(DEFAULT_CAPACITY).is_ok() {
        size = DEFAULT_CAPACITY;
    } else {
        // At least a page. At most the default, as the parameter may have been raised since
        // `check`.
        size = params::max_capacity().clamp(PAGE_SIZE, DEFAULT_CAPACITY);
    }
    // Like fs/pipe.c, charge first and test the limits after, so that two concurrent callers see
    // each other's pages.
    let mut charge = UserAccount::current().charge(pages_for(size));
    if is_above(charge.account(), 0, params::user_pages_soft()) {
        if capacity != 0 {
            return Err(EPERM);
        }
        size = PIPE_MIN_DEF_BUFFERS * PAGE_SIZE;
        charge = UserAccount::current().charge(PIPE_MIN_DEF_BUFFERS);
    }
    if is_above(charge.account(), 0, params::user_pages_hard()) {
        return Err(ENFILE);
    }
    Storage::new(size, Some(charge))
}

/// Sets the capacity of `pipe`: F_SETPIPE_SZ, but to the byte. All bytes stay in the pipe.
///
/// Context: process context; may sleep.
///
/// # Errors
///
/// - `EINVAL`, `EPERM`: as for [`check`]; but no privilege is needed to make a pipe smaller.
/// - `EPERM`: the capacity is larger than before, and with it, the user who made the pipe is above
///   a limit of pages.
/// - `EBUSY`: as for [`Pipe::resize`].
/// - `ENOMEM`, `EINTR`: as for [`Storage::new`].
pub(crate) fn set_capacity(pipe: &Pipe, capacity: usize) -> Result {
    loop {
        let size = pipe.size();
        let storage = if capacity == size.capacity {
            None
        } else {
            Some(storage_for_resize(&size, capacity)?)
        };
        if pipe.resize(size.capacity, storage)? {
            return Ok(());
        }
    }
}

/// Storage of `capacity` bytes for a pipe of another size.
fn storage_for_resize(size: &Size, capacity: usize) -> Result<Storage> {
    let grows = capacity > size.capacity;
    if grows || capacity == 0 {
        check(capacity)?;
    }
    let mut charge: Option<Charge> = None;
    if let Some(account) = &size.account {
        charge = Some(account.clone().charge(pages_for(capacity)));
        // The present pages of the pipe are still on the account, but will be replaced.
        let exceeds = |limit| is_above(account, pages_for(size.capacity), limit);
        if grows && (exceeds(params::user_pages_soft()) || exceeds(params::user_pages_hard())) {
            return Err(EPERM);
        }
    }
    Storage::for_resize(capacity, charge)
}

/// Tests whether the caller may have a pipe of `capacity` bytes. The limits of pages are not tested
/// here.
///
/// # Errors
///
/// - `EINVAL`: no pipe has that capacity.
/// - `EPERM`: the capacity is above the parameter `max_capacity`, and the caller does not have
///   `CAP_SYS_RESOURCE`.
fn check(capacity: usize) -> Result {
    match quota::judge(capacity, params::max_capacity()) {
        Verdict::Allowed => Ok(()),
        Verdict::Privileged if has_cap_sys_resource() => Ok(()),
        Verdict::Privileged => Err(EPERM),
        Verdict::Invalid => Err(EINVAL),
    }
}

/// Whether an account is above a limit, and the caller is bound by limits:
/// `pipe_is_unprivileged_user()`.
fn is_above(account: &UserAccount, replaced: usize, limit: usize) -> bool {
    quota::is_above(account.pages(), replaced, limit)
        && !has_cap_sys_resource()
        && !has_cap_sys_admin()
}
