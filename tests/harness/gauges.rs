//! What a serving host occupies, as its metrics and the system tell.

use crate::Serving;

/// What guests occupy. Each is 0 when none is there; a guest's handles go with it.
const OF_GUESTS: [&str; 3] = ["spine_instances_live", "spine_guest_memory_bytes", "spine_held_bytes"];

impl Serving {
    /// All metrics.
    pub fn metrics(&self) -> String {
        self.http("GET", "/metrics", &[], "").1
    }

    /// The value of a metric without labels.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn metric(&self, name: &str) -> f64 {
        let metrics = self.metrics();
        let line = metrics.lines().find(|line| line.split(' ').next() == Some(name));
        line.and_then(|line| line.rsplit(' ').next()).unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
    }

    /// # Panics
    ///
    /// If a guest, memory of one or bytes held for one are left.
    #[track_caller]
    pub fn assert_no_guest_is_left(&self) {
        for gauge in OF_GUESTS {
            assert!(self.metric(gauge).abs() < 1.0, "{gauge}");
        }
    }

    /// Memory of the host that is in RAM, in KiB; none where the system does not tell.
    pub fn resident_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }
}
