//! Whatever happens in whatever order, read from and written to JSON in between.

use model::policy::{BreakerRule, RateWindow, Thousandths};
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Ask(u8),
    End(u8, Outcome),
    Pass(u32),
    ForceOpen,
    Reset,
}

fn policies() -> impl Strategy<Value = BreakerPolicy> {
    let window = prop_oneof![(1..20_u32).prop_map(RateWindow::Calls), (1..5_000_u64).prop_map(RateWindow::Ms)];
    let rate = (1..=100_000_u64, window, 1..10_u32).prop_map(|(percent, window, calls_min)| BreakerRule::Rate {
        percent: Thousandths::new(percent),
        window,
        calls_min,
    });
    let rule = prop_oneof![(1..6_u32).prop_map(|failures| BreakerRule::Consecutive { failures }), rate];
    (rule, 1..2_000_u64, 1..4_u32, 1..4_u32, 1..2_000_u64).prop_map(
        |(rule, recovery_ms, probes, successes, probe_lease_ms)| BreakerPolicy {
            rule,
            recovery_ms,
            probes,
            successes,
            probe_lease_ms,
        },
    )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![
        1 => Just(Outcome::Succeeded),
        2 => Just(Outcome::Failed),
        1 => Just(Outcome::Cancelled),
    ];
    let step = prop_oneof![
        6 => any::<u8>().prop_map(Step::Ask),
        6 => (any::<u8>(), outcome).prop_map(|(call, outcome)| Step::End(call, outcome)),
        3 => (1..1_500_u32).prop_map(Step::Pass),
        1 => Just(Step::ForceOpen),
        1 => Just(Step::Reset),
    ];
    proptest::collection::vec(step, 0..120)
}

/// Carries out `steps` as processes that share the ledger do: the breaker goes through JSON before each.
fn carry_out(bench: &mut Bench, steps: &[Step], mut each: impl FnMut(&Bench, &Step, Option<Admission>, i64)) -> i64 {
    let mut ms = 0_i64;
    for step in steps {
        let json = serde_json::to_string(&bench.breaker).unwrap();
        let stored: Breaker = serde_json::from_str(&json).unwrap();
        assert_eq!(stored, bench.breaker);
        bench.breaker = stored;
        let mut admission = None;
        match step {
            Step::Ask(call) => admission = Some(bench.ask(&call.to_string(), ms)),
            Step::End(call, outcome) => bench.end(&call.to_string(), ms, *outcome),
            Step::Pass(by) => ms += i64::from(*by),
            Step::ForceOpen => bench.breaker.force_open(at(ms)),
            Step::Reset => bench.breaker.reset(at(ms)),
        }
        each(bench, step, admission, ms);
    }
    ms
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_half_open_breaker_never_lets_more_through_than_its_probes(policy in policies(), steps in steps()) {
        let most = policy.probes as usize;
        // What the callers know: their calls that are probes and have not ended, with the end of the lease.
        let mut known: Vec<(u8, i64)> = Vec::new();
        let lease = policy.probe_lease_ms as i64;
        let mut bench = Bench::new(policy);
        carry_out(&mut bench, &steps, |bench, step, admission, ms| {
            known.retain(|(_, until)| ms < *until);
            match step {
                Step::Ask(call) if admission == Some(Admission::Probe) => {
                    known.retain(|(other, _)| other != call);
                    known.push((*call, ms + lease));
                }
                Step::End(call, _) => known.retain(|(other, _)| other != call),
                Step::Ask(_) | Step::Pass(_) | Step::ForceOpen | Step::Reset => {}
            }
            match bench.breaker.state() {
                BreakerState::HalfOpen { probes, .. } => {
                    assert!(probes.len() <= most && known.len() <= most, "{probes:?} {known:?}");
                }
                BreakerState::Open { .. } => {
                    assert!(!matches!(admission, Some(Admission::Allowed | Admission::Probe)));
                    known.clear();
                }
                BreakerState::Closed { .. } => known.clear(),
            }
        });
    }

    #[test]
    fn whatever_happened_a_breaker_that_nobody_forced_open_closes_once_calls_succeed(
        policy in policies(),
        steps in steps(),
    ) {
        let steps: Vec<Step> = steps.into_iter().filter(|step| !matches!(step, Step::ForceOpen)).collect();
        let mut bench = Bench::new(policy);
        let mut ms = carry_out(&mut bench, &steps, |_, _, _, _| {});
        let needed = bench.policy.successes;
        // Past the recovery, and past the lease of every probe that was left behind.
        ms += (bench.policy.recovery_ms + bench.policy.probe_lease_ms) as i64;
        (0..needed).for_each(|_| bench.call(ms, Outcome::Succeeded));
        prop_assert_eq!(bench.phase(ms), Phase::Closed);
    }

    #[test]
    fn an_open_breaker_says_when_to_ask_again_and_keeps_its_word(policy in policies(), steps in steps()) {
        let mut bench = Bench::new(policy);
        carry_out(&mut bench, &steps, |bench, _, admission, ms| {
            if let Some(Admission::Refused { retry_after: Some(after) }) = admission
                && let BreakerState::Open { .. } = bench.breaker.state()
            {
                let then = at(ms).plus_micros(after.as_micros() as i64);
                let answer = bench.breaker.clone().admit(&bench.policy, &id("again"), then);
                assert_eq!(answer, Admission::Probe);
            }
        });
    }
}
