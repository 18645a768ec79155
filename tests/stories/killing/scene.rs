//! What is going on when the kill comes.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use tests::{Answer, Serving, TestHost, component, relabelled};

use super::delivery::Delivery;

/// The shapes that kills rotate over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shape {
    /// A lone `run` publishes one partition.
    Day,
    /// A lone `run` publishes several partitions in one transaction.
    Months,
    /// A lone `run` publishes three datasets in one transaction.
    Week,
    /// A lone `run` finds a new version of its plugin: it is compiled, and both the component and its code are kept.
    NewVersion,
    /// A host serves, and other processes hand it their runs: two of one partition, and one of three datasets.
    Served,
}

impl Shape {
    pub(super) const ALL: [Self; 5] = [Self::Day, Self::Months, Self::Week, Self::NewVersion, Self::Served];
}

/// Processes that work.
pub(super) struct Scene {
    host: Option<Serving>,
    runs: Vec<Child>,
}

impl Scene {
    /// Begins the work; its deliveries have the numbers from `number` on, fewer than ten.
    pub(super) fn begin(host: &TestHost, shape: Shape, number: u64) -> Self {
        let run = |delivery: Delivery| {
            let mut command = delivery.command(host);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let alone = |delivery| Self { host: None, runs: vec![run(delivery)] };
        match shape {
            Shape::Day => alone(Delivery::day(host, "20210128", number)),
            Shape::Months => alone(Delivery::months(host, number)),
            Shape::Week => alone(Delivery::week(host, number)),
            Shape::NewVersion => {
                let bytes = std::fs::read(component("finra")).unwrap();
                std::fs::write(host.plugins().join("finra.wasm"), relabelled(&bytes, &number.to_string())).unwrap();
                alone(Delivery::day(host, "20210128", number))
            }
            Shape::Served => {
                let deliveries = [
                    Delivery::day(host, "20210128", number),
                    Delivery::day(host, "20210128", number + 1),
                    Delivery::week(host, number + 2),
                ];
                let serving = host.serve();
                Self { host: Some(serving), runs: deliveries.into_iter().map(run).collect() }
            }
        }
    }

    /// Lets the work end, and says how long it took.
    pub(super) fn play(host: &TestHost, shape: Shape, number: u64) -> Duration {
        let mut scene = Self::begin(host, shape, number);
        let start = Instant::now();
        for run in scene.runs.drain(..) {
            Answer::from(run.wait_with_output().unwrap()).exits(0);
        }
        let whole = start.elapsed();
        if let Some(serving) = scene.host.take() {
            assert_eq!(serving.stop().0, 0);
        }
        restore(host);
        whole
    }

    /// Kills the process that owns the data folder at `moment`, and returns what the others were told.
    pub(super) fn kill(mut self, host: &TestHost, moment: Instant) -> Vec<Answer> {
        wait_until(moment);
        match self.host.take() {
            Some(serving) => serving.kill(),
            None => self.runs.iter_mut().for_each(|run| run.kill().unwrap()),
        }
        let told = self.runs.into_iter().map(|run| Answer::from(run.wait_with_output().unwrap())).collect();
        restore(host);
        told
    }
}

/// The next start finds the plugins as they were before.
fn restore(host: &TestHost) {
    host.install(&component("finra"), "finra.wasm");
}

/// Passes the time without giving up the processor for longer than a scheduler tick.
fn wait_until(moment: Instant) {
    while Instant::now() < moment {
        std::thread::park_timeout(Duration::from_micros(200));
    }
}
