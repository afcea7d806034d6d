// SPDX-License-Identifier: GPL-2.0

//! KUnit cases for the state of a pipe, for what only a race of calls would show.

use kernel::prelude::*;

#[kunit_tests(mini_pipe_state)]
mod cases {
    use crate::{
        pipe::{
            call::Call,
            ends::Ends,
            policy::Policy,
            state::State, //
        },
        ring::{
            dir::{
                PerDir,
                Writing, //
            },
            storage::Storage,
            user::UserMemory,
            Ring, //
        }, //
    };
    use core::mem::zeroed;
    use kernel::{
        bindings,
        fs::File,
        prelude::*, //
    };

    /// A byte of user memory.
    struct Byte;

    impl UserMemory<Writing> for Byte {
        fn len(&self) -> usize {
            1
        }

        unsafe fn copy(&mut self, bytes: *mut u8, len: usize) -> usize {
            // SAFETY: By the safety requirements.
            unsafe { bytes.write_bytes(0, len) };
            len
        }

        unsafe fn copy_nofault(&self, bytes: *mut u8, len: usize) -> bool {
            // SAFETY: By the safety requirements.
            unsafe { bytes.write_bytes(0, len) };
            true
        }
    }

    /// A rendezvous may have begun before the policy was changed. If it is interrupted, it removes
    /// the newest bytes of the ring, so no other bytes may come behind its own.
    #[test]
    fn short_write_waits_for_an_active_rendezvous() -> Result {
        let ring = Ring::new(Storage::new(1, None)?);
        let mut state = State::new(ring, Ends::default(), Policy::Buffered);
        let both = PerDir {
            read: true,
            write: true,
        };
        let end = state.ends.open(both, false);
        // SAFETY: A file may be all zeros as long as only its flags are read.
        let file: bindings::file = unsafe { zeroed() };
        // SAFETY: As above.
        let call = Call::new(unsafe { File::from_raw_file(&file) }, 0);
        state.rendezvous_active = true;
        assert!(state.write_nofault(&end, call, &Byte).is_none());
        state.rendezvous_active = false;
        assert!(state.write_nofault(&end, call, &Byte) == Some(1));
        Ok(())
    }
}
