//! The report of a trap as people read it: where the guest was, what it did last, and how to see it again.

use model::failure::{TrapCall, TrapFrame, TrapReport};

/// Lines of what was said and of calls that people are shown; JSON has them all.
const LINES_SHOWN: usize = 10;

/// The report in lines, each part under its word.
pub(super) fn lines(trap: &TrapReport) -> Vec<String> {
    let mut lines = Vec::new();
    let mut part = |word: &str, texts: Vec<String>| {
        // What a guest says may have lines of its own: none of them stands where ours do.
        let texts = texts.iter().flat_map(|text| text.lines().map(str::to_owned));
        for (at, text) in texts.enumerate() {
            lines.push(format!("  {:8}  {text}", if at == 0 { word } else { "" }));
        }
    };
    part("frames", trap.frames.iter().map(frame).collect());
    let said: Vec<String> = trap.log.iter().map(|line| format!("{} {}", line.origin, line.message)).collect();
    part("said", latest(said));
    part("calls", latest(trap.host_calls.iter().map(call).collect()));
    part("again", trap.reproduce.clone());
    lines
}

fn frame(frame: &TrapFrame) -> String {
    let module = frame.module.as_ref().map(|module| format!("{module}!")).unwrap_or_default();
    let offset = frame.offset.map(|offset| format!(" at {offset:#x}")).unwrap_or_default();
    let line = frame.at.as_ref().map(|line| format!(" ({line})")).unwrap_or_default();
    format!("{module}{}{offset}{line}", frame.function)
}

fn call(call: &TrapCall) -> String {
    let TrapCall { name, arguments, at } = call;
    format!("{at} {name} {arguments}").trim_end().to_owned()
}

fn latest(mut lines: Vec<String>) -> Vec<String> {
    lines.split_off(lines.len().saturating_sub(LINES_SHOWN))
}
