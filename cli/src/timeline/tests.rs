// SPDX-License-Identifier: GPL-2.0

//! From the text of a trace to the page.

use super::{
    page::page,
    story::Story,
    trace::Trace,
    *, //
};

fn page_of(text: &str) -> String {
    let trace = Trace::parse(text);
    page(&Story::new(&trace), "a <b> & \"c\"", 0)
}

/// Traces of the scenes of scripts/scenes, as tracefs has shown them; and the beginning of one of
/// `seq 20000 | cat | wc`, as trace-cmd has shown it.
const RECORDED: [(&str, &str); 3] = [
    ("pipeline", include_str!("recorded/pipeline.trace")),
    ("lost-wake-up", include_str!("recorded/lost-wake-up.trace")),
    ("trace-cmd", include_str!("recorded/trace-cmd.trace")),
];

/// Pseudorandom numbers, by xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    /// A line of a trace, with any event and any values.
    fn line(&mut self, at: u64) -> String {
        let mut any = |end| self.below(end);
        let dir = ["read", "write"][any(2) as usize];
        let how = ["none", "one", "all"];
        let [sleepers, pollers] = [any(3), any(3)].map(|index| how[index as usize]);
        let moved = any(9000);
        let event = match any(9) {
            0 => format!(
                "{dir}: pipe={} len={moved} ret={}",
                any(3),
                moved as i64 - 20
            ),
            1 => format!("reserve: pipe={} dir={dir} len={moved}", any(3)),
            2 => format!(
                "commit: pipe={} dir={dir} moved={moved} ended={}",
                any(3),
                any(2)
            ),
            3 => format!("block: pipe={} dir={dir}", any(3)),
            4 => format!(
                "wake: pipe={} dir={dir} sleepers={sleepers} pollers={pollers}",
                any(3)
            ),
            5 => format!("hand_on: pipe={} dir={dir}", any(3)),
            6 => format!("resize: pipe={} from=65536 to={moved}", any(3)),
            7 => format!(
                "{}: pipe={} reads={} writes={} readers={} writers={}",
                ["open", "close"][any(2) as usize],
                any(3),
                any(2),
                any(2),
                any(2),
                any(2)
            ),
            _ => format!("{}: pipe={}", ["eof", "epipe"][any(2) as usize], any(3)),
        };
        format!("t-{} [00{}] ..... 7.{at:06}: {event}\n", any(5), any(2))
    }
}

#[test]
fn every_event_is_drawn_once() {
    for seed in 1..200 {
        let mut random = Random(seed);
        let text: String = (0..60).map(|at| random.line(at)).collect();
        let page = page_of(&text);
        assert_eq!(page.matches("<g class='event ").count(), 60, "seed {seed}");
        for at in 1..=60 {
            assert_eq!(
                page.matches(&format!("<title>{at}. t (")).count(),
                1,
                "seed {seed}"
            );
        }
    }
}

#[test]
fn no_level_is_negative() {
    for seed in 1..200 {
        let mut random = Random(seed);
        let text: String = (0..200).map(|at| random.line(at)).collect();
        let trace = Trace::parse(&text);
        for pipe in Story::new(&trace).pipes {
            let levels: Vec<_> = pipe.levels.iter().collect();
            assert!(levels.is_sorted_by_key(|level| level.at), "seed {seed}");
            // A level below zero would wrap, and be higher than the sum of all writes.
            assert!(pipe.levels.highest() < 200 * 2 * 9000, "seed {seed}");
        }
    }
}

#[test]
fn garbled_text_is_skipped() {
    for (name, text) in RECORDED {
        for seed in 1..50 {
            let mut random = Random(seed);
            let mut bytes = text.as_bytes().to_vec();
            for _ in 0..40 {
                let at = random.below(bytes.len() as u64) as usize;
                bytes[at] = random.below(256) as u8;
            }
            let trace = Trace::parse(&String::from_utf8_lossy(&bytes));
            let page = page(&Story::new(&trace), name, 0);
            let drawn = page.matches("<g class='event ").count();
            assert_eq!(drawn, trace.events.len(), "{name}, seed {seed}");
        }
    }
}

#[test]
fn values_may_be_as_large_as_they_can() {
    let most = u64::MAX;
    let fields = [
        format!("write: pipe={most} len={most} ret={}", i64::MAX),
        format!("write: pipe={most} len={most} ret={}", i64::MAX),
        format!("write: pipe={most} len={most} ret={}", i64::MAX),
        format!("read: pipe={most} len={most} ret={}", i64::MIN),
        format!("commit: pipe={most} dir=read moved={most} ended=1"),
        format!("commit: pipe={most} dir=read moved={most} ended=1"),
        format!("resize: pipe={most} from={most} to={most}"),
    ];
    let lines = fields.map(|fields| format!("t-{0} [{0}] ..... 9.9: {fields}\n", u32::MAX));
    assert_eq!(
        page_of(&lines.concat()).matches("<g class='event ").count(),
        7
    );
}

#[test]
fn the_page_says_what_is_missing() {
    let text = "# entries-in-buffer/entries-written: 1/8   #P:2\n\
        nonsense\n\
        cat-1 [000] ..... 1.5: eof: pipe=7\n";
    let trace = Trace::parse(text);
    let page = page(&Story::new(&trace), "x", 3);
    for words in [
        "7 events were lost",
        "1 line was skipped, which is no",
        "3 events were left out",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page_of("cat-1 [000] ..... 1.5: eof: pipe=7\n").contains("class=\"warning\""));
}

#[test]
fn names_are_no_markup() {
    let page = page_of("<i>&\u{1}\"-1 [000] ..... 1.5: eof: pipe=7\n");
    assert!(page.contains("&lt;i&gt;&amp;\u{fffd}&quot;"));
    assert!(page.contains("a &lt;b&gt; &amp; &quot;c&quot;"));
    assert!(!page.contains("<i>") && !page.contains("a <b>"));
}

#[test]
fn a_pipeline_has_both_tasks() {
    let (_, text) = RECORDED[0];
    let trace = Trace::parse(text);
    let story = Story::new(&trace);
    let names: Vec<_> = story.tasks.iter().map(|task| task.comm.as_str()).collect();
    assert!(names.contains(&"cat"), "{names:?}");
    assert_eq!((trace.lost, trace.skipped), (0, 0));
    let levels = &story.pipes[0].levels;
    assert_eq!(
        (
            levels.highest(),
            levels.iter().last().map(|level| level.bytes)
        ),
        (6, Some(0))
    );
}

#[test]
fn several_pipes_have_letters() {
    let (_, text) = RECORDED[2];
    let page = page_of(text);
    assert!(!page.contains("class=\"warning\""));
    for words in [
        ">A: mini_pipe:[1571]<",
        ">B: mini_pipe:[1572]<",
        ">A: write 4096<",
    ] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn a_lost_wake_up_leaves_a_reader_beside_bytes() {
    let (_, text) = RECORDED[1];
    let trace = Trace::parse(text);
    let story = Story::new(&trace);
    let overslept = story
        .sleeps
        .iter()
        .filter(|sleep| !sleep.overslept.is_empty());
    assert_eq!(overslept.count(), 1);
}

#[test]
fn a_title_can_be_given_to_a_shell() {
    let program = ["sh", "-c", "echo hello | cat", ""].map(OsString::from);
    assert_eq!(title(&program), "sh -c 'echo hello | cat' ''");
}

#[test]
fn the_page_must_be_a_file_that_can_be_written() {
    for (output, good) in [
        ("no-page.html", true),
        ("/dev/null", true),
        ("/dev", false),
        ("/nowhere/page.html", false),
        ("", false),
    ] {
        let output = Path::new(output);
        assert_eq!(check_output(output).is_ok(), good, "{output:?}");
    }
    assert!(!Path::new("no-page.html").exists());
}
