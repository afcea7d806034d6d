// SPDX-License-Identifier: GPL-2.0

//! Compiles the calls, which are in C.

fn main() {
    println!("cargo::rerun-if-changed=calls");
    println!("cargo::rerun-if-changed=../uapi/mini_pipe.h");
    cc::Build::new()
        .file("calls/fuzzer.c")
        .define("_GNU_SOURCE", None)
        .opt_level(2)
        .warnings_into_errors(true)
        // What a call returns does not matter.
        .flag("-Wno-unused-result")
        .compile("calls");
}
