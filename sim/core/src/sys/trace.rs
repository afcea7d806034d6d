// SPDX-License-Identifier: GPL-2.0

//! Tracepoints that compute their arguments, and show them to nobody.

macro_rules! tracepoints {
    ($($name:ident($($type:ty),*);)*) => {
        $(
            pub(crate) fn $name(arguments: impl FnOnce() -> ($($type,)*)) {
                let _ = arguments();
            }
        )*
    };
}

tracepoints! {
    reserve(u64, u32, usize);
    commit(u64, u32, usize, bool);
    block(u64, u32);
    hand_on(u64, u32);
    wake(u64, u32, u32, u32);
    resize(u64, usize, usize);
    open(u64, bool, bool, usize, usize);
    close(u64, bool, bool, usize, usize);
    eof(u64);
    epipe(u64);
}
