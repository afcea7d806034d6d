// SPDX-License-Identifier: GPL-2.0

//! The input of the fuzzer: a program of calls. It has three forms: this one; that of
//! calls/program.h, to be run; and a line of text, for the corpus and the shared memory.

use crate::calls;
use libafl::inputs::Input;
use serde::{
    Deserialize,
    Serialize, //
};
use std::fmt;

pub const MAX_TASKS: usize = 4;
pub const MAX_CALLS: usize = 16;
pub const ARGS: usize = 4;
/// How many bits the set-up has.
pub const SETUP_BITS: u8 = 6;

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Call {
    pub nr: u8,
    pub arg: [u8; ARGS],
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Task {
    /// A process, not a thread.
    pub process: bool,
    pub calls: Vec<Call>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Program {
    pub setup: u8,
    pub repeat: u8,
    pub tasks: Vec<Task>,
}

impl Input for Program {}

/// `struct task` of calls/program.h.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct RawTask {
    process: u8,
    count: u8,
    calls: [Call; MAX_CALLS],
}

/// `struct program` of calls/program.h.
#[repr(C)]
pub struct RawProgram {
    setup: u8,
    repeat: u8,
    count: u8,
    tasks: [RawTask; MAX_TASKS],
}

impl Program {
    pub fn to_raw(&self) -> RawProgram {
        let mut tasks = [RawTask::default(); MAX_TASKS];
        for (raw, task) in tasks.iter_mut().zip(&self.tasks) {
            raw.process = task.process.into();
            raw.count = task.calls.len().min(MAX_CALLS) as u8;
            for (to, from) in raw.calls.iter_mut().zip(&task.calls) {
                *to = *from;
            }
        }
        RawProgram {
            setup: self.setup,
            repeat: self.repeat,
            count: self.tasks.len().min(MAX_TASKS) as u8,
            tasks,
        }
    }

    /// Reads the text form; [`None`] if the text is no program, or has a call that is no longer
    /// there.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let mut program = Self {
            setup: words.next()?.parse().ok()?,
            repeat: words.next()?.parse().ok()?,
            tasks: Vec::new(),
        };
        for word in words {
            if word == "thread" || word == "process" {
                program.tasks.push(Task {
                    process: word == "process",
                    calls: Vec::new(),
                });
                continue;
            }
            let mut parts = word.split(',');
            let nr = calls::number(parts.next()?)?;
            let mut arg = [0; ARGS];
            for arg in &mut arg {
                *arg = parts.next()?.parse().ok()?;
            }
            program.tasks.last_mut()?.calls.push(Call { nr, arg });
        }
        let fits = |task: &Task| !task.calls.is_empty() && task.calls.len() <= MAX_CALLS;
        (!program.tasks.is_empty()
            && program.tasks.len() <= MAX_TASKS
            && program.tasks.iter().all(fits))
        .then_some(program)
    }

    /// The program as C, which needs only the files in fuzz/calls and uapi.
    pub fn to_c(&self) -> String {
        let mut text = String::from(
            "/*\n \
             * As root, from the clone: cc -D_GNU_SOURCE -static -w -I. THIS_FILE && ./a.out\n \
             * It runs until a process hangs. The kernel's log has the other complaints.\n \
             */\n\
             #include \"fuzz/calls/run.h\"\n\n\
             static const struct program program = {\n",
        );
        text += &format!(
            "\t.setup = {},\n\t.repeat = {},\n",
            self.setup_names(),
            self.repeat
        );
        text += &format!("\t.count = {},\n\t.tasks = {{\n", self.tasks.len());
        for task in &self.tasks {
            text += &format!("\t\t{{ .process = {}, ", task.process);
            text += &format!(".count = {}, .calls = {{\n", task.calls.len());
            for Call { nr, arg } in &task.calls {
                let name = calls::name(*nr);
                let args = arg.map(|arg| arg.to_string()).join(", ");
                text += &format!("\t\t\t{{ CALL_{name}, {{ {args} }} }},\n");
            }
            text += "\t\t} },\n";
        }
        text += "\t},\n};\n\n\
                 int main(void)\n{\n\
                 \tstruct memory memory;\n\
                 \tstruct shared *shared = prepare(&memory);\n\n\
                 \twhile (run_program(&program, &memory, shared, NULL))\n\t\t;\n\
                 \treturn 1;\n}\n";
        text
    }

    fn setup_names(&self) -> String {
        let names = ["USER", "HIDDEN", "BLOCKING", "SMALL", "NO_PRIVATE", "MORE"];
        let set = names
            .iter()
            .enumerate()
            .filter(|(bit, _)| self.setup & (1 << bit) != 0);
        let set: Vec<_> = set.map(|(_, name)| format!("SETUP_{name}")).collect();
        if set.is_empty() {
            String::from("0")
        } else {
            set.join(" | ")
        }
    }
}

/// The text form.
impl fmt::Display for Program {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{} {}", self.setup, self.repeat)?;
        for task in &self.tasks {
            to.write_str(if task.process { " process" } else { " thread" })?;
            for call in &task.calls {
                write!(to, " {}", calls::name(call.nr))?;
                for arg in call.arg {
                    write!(to, ",{arg}")?;
                }
            }
        }
        Ok(())
    }
}
