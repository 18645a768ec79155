//! A process to be killed: `worker LEDGER FOLDER PLAY [LANE STEP NTH]`, or `worker LEDGER FOLDER swarm NUMBER RUNS`.

#![expect(clippy::unwrap_used, reason = "a harness fails where it stands")]

use std::path::Path;
use std::sync::Arc;

use kills::kill::{KillAt, Step};
use kills::{steps, swarm};

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (ledger, folder) = (words[0], Path::new(words[1]));
    let done = match &words[2..] {
        ["swarm", number, runs] => swarm::work(ledger, folder, number, runs.parse().unwrap()).await,
        [play, lane, step, nth] => {
            let kill = Arc::new(KillAt::new(lane, step.parse().unwrap(), nth.parse().unwrap()));
            steps::play(play.parse().unwrap(), ledger, folder, &kill).await
        }
        [play] => {
            let kill = Arc::new(KillAt::new("nothing", Step::Begin, 1));
            steps::play(play.parse().unwrap(), ledger, folder, &kill).await
        }
        _ => panic!("worker LEDGER FOLDER PLAY [LANE STEP NTH]"),
    };
    done.unwrap();
}
