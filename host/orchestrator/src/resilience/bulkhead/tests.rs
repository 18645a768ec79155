//! Who runs, who waits, who is refused.

use model::Timestamp;
use proptest::prelude::*;

use super::*;

fn run(number: u8) -> RunId {
    RunId::new(Timestamp::from_micros(0), [number; 10])
}

fn policy(runs: u32, waiting: u32) -> BulkheadPolicy {
    BulkheadPolicy { runs, waiting }
}

#[test]
fn so_many_run_so_many_wait_and_one_more_is_refused() {
    let mut bulkhead = Bulkhead::default();
    let policy = policy(2, 1);
    let places: Vec<_> = (0..4).map(|number| bulkhead.enter(&policy, run(number))).collect();
    let full = BulkheadFull { running: 2, waiting: 1 };
    assert_eq!(places, [Ok(Place::Runs), Ok(Place::Runs), Ok(Place::Waits { ahead: 0 }), Err(full)]);
    let failure = full.failure("finra");
    assert_eq!((failure.code.as_str(), failure.retryable), ("bulkhead_full", true));
    assert!(failure.message.contains("`finra` has 2 runs going on and 1 waiting"), "{}", failure.message);
}

#[test]
fn a_place_goes_to_the_one_who_came_first() {
    let mut bulkhead = Bulkhead::default();
    let policy = policy(1, 10);
    for number in 0..4 {
        bulkhead.enter(&policy, run(number)).unwrap();
    }
    assert_eq!(bulkhead.leave(&policy, run(2)), [], "it gave up waiting");
    assert_eq!(bulkhead.leave(&policy, run(0)), [run(1)]);
    assert_eq!(bulkhead.leave(&policy, run(0)), [], "leaving twice frees one place");
    assert_eq!(bulkhead.leave(&policy, run(1)), [run(3)]);
    assert_eq!(bulkhead.leave(&policy, run(3)), []);
    assert!(bulkhead.is_empty());
}

#[test]
fn a_run_keeps_the_place_it_has() {
    let mut bulkhead = Bulkhead::default();
    let policy = policy(1, 1);
    for _ in 0..2 {
        assert_eq!(bulkhead.enter(&policy, run(0)), Ok(Place::Runs));
        assert_eq!(bulkhead.enter(&policy, run(1)), Ok(Place::Waits { ahead: 0 }));
    }
    assert_eq!((bulkhead.running(), bulkhead.waiting()), (1, 1));
}

#[test]
fn a_policy_with_more_places_lets_those_who_wait_go_and_one_with_fewer_ends_no_run() {
    let mut bulkhead = Bulkhead::default();
    for number in 0..4 {
        bulkhead.enter(&policy(1, 10), run(number)).unwrap();
    }
    assert_eq!(bulkhead.fill(&policy(3, 10)), [run(1), run(2)]);
    assert_eq!(bulkhead.leave(&policy(1, 10), run(0)), [], "two still go on");
    assert_eq!(bulkhead.running(), 2);
    assert_eq!(bulkhead.enter(&policy(0, 0), run(9)), Err(BulkheadFull { running: 2, waiting: 1 }));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_more_than_allowed_and_never_idle_while_somebody_waits(
        runs in 1..5_u32,
        waiting in 0..5_u32,
        steps in proptest::collection::vec((any::<bool>(), 0..12_u8), 0..200),
    ) {
        let policy = policy(runs, waiting);
        let mut bulkhead = Bulkhead::default();
        for (enters, number) in steps {
            if enters {
                let _ = bulkhead.enter(&policy, run(number));
            } else {
                bulkhead.leave(&policy, run(number));
            }
            prop_assert!(bulkhead.running() <= runs as usize && bulkhead.waiting() <= waiting as usize);
            prop_assert!(bulkhead.waiting() == 0 || bulkhead.running() == runs as usize);
        }
    }
}
