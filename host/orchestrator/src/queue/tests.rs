use model::policy::BulkheadPolicy;
use proptest::prelude::*;

use super::*;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn run(number: u8) -> RunId {
    RunId::new(at(0), [number; 10])
}

fn ticket(number: u8) -> Ticket {
    Ticket {
        run: run(number),
        lane: Lane::Default,
        priority: Priority::Normal,
        plugin: "shop".to_owned(),
        not_before: None,
        gate: None,
        deadline: None,
    }
}

fn gated(number: u8) -> Ticket {
    Ticket { gate: Some("shop.sales".to_owned()), ..ticket(number) }
}

fn bulkhead(runs: u32, waiting: u32) -> BulkheadPolicy {
    BulkheadPolicy { runs, waiting }
}

fn queue(places: usize, tickets: impl IntoIterator<Item = Ticket>) -> Queue {
    let mut queue = Queue::new(Places::new(places));
    tickets.into_iter().for_each(|ticket| queue.push(ticket));
    queue
}

#[test]
fn the_higher_priority_goes_first_and_of_one_the_older() {
    let slow = Ticket { priority: Priority::Slow, ..ticket(1) };
    let urgent = Ticket { priority: Priority::Realtime, ..ticket(4) };
    let mut queue = queue(9, [slow, ticket(2), ticket(3), urgent]);
    assert_eq!(queue.take(at(0)), [run(4), run(2), run(3), run(1)]);
}

#[test]
fn a_lane_never_waits_for_another() {
    let backfill = |number| Ticket { lane: Lane::Backfill, priority: Priority::Realtime, ..ticket(number) };
    let mut queue = queue(2, [backfill(1), backfill(2), backfill(3), ticket(4), ticket(5), ticket(6)]);
    assert_eq!(queue.take(at(0)), [run(4), run(5), run(1)]);
    assert_eq!(queue.take(at(0)), []);
    assert!(queue.leave(run(1)));
    assert_eq!(queue.take(at(0)), [run(2)]);
    assert_eq!(queue.depth(), BTreeMap::from([(Lane::Default, 1), (Lane::Backfill, 1), (Lane::Slow, 0)]));
}

#[test]
fn one_plugin_leaves_the_last_of_several_places_to_the_others_unless_its_operator_says_how_many_it_has() {
    let of = |plugin: &str, number| Ticket { plugin: plugin.to_owned(), ..ticket(number) };
    let shop = [1, 2, 3, 4].map(ticket);
    let mut shared = queue(4, shop.clone());
    assert_eq!(shared.take(at(0)).len(), 3);
    assert_eq!(shared.why(run(4), at(0)), Some(Waiting::Plugin { plugin: "shop".to_owned(), places: 3 }));
    shared.push(of("bank", 5));
    assert_eq!(shared.take(at(0)), [run(5)]);
    let mut alone = Queue::new(Places::new(4).plugin("shop", bulkhead(9, 9)));
    shop.into_iter().for_each(|ticket| alone.push(ticket));
    assert_eq!(alone.take(at(0)).len(), 4);
    let mut few = queue(2, [1, 2].map(ticket));
    assert_eq!(few.take(at(0)).len(), 2, "a lane of two has none to leave");
}

#[test]
fn who_waits_for_a_time_holds_up_nobody_and_then_goes_by_age() {
    let later = Ticket { not_before: Some(at(10)), ..ticket(1) };
    let mut queue = queue(1, [later, ticket(2), ticket(3)]);
    assert_eq!(queue.next_time(), Some(at(10)));
    assert_eq!(queue.take(at(9)), [run(2)]);
    queue.leave(run(2));
    assert_eq!(queue.take(at(10)), [run(1)]);
    assert_eq!(queue.next_time(), None);
}

#[test]
fn the_bulkhead_of_one_plugin_leaves_places_to_the_others() {
    let other = Ticket { plugin: "other".to_owned(), ..ticket(3) };
    let mut queue = Queue::new(Places::new(4).plugin("shop", bulkhead(1, 9)));
    [ticket(1), ticket(2), other].into_iter().for_each(|ticket| queue.push(ticket));
    assert_eq!(queue.take(at(0)), [run(1), run(3)]);
    assert_eq!(queue.why(run(2), at(0)), Some(Waiting::Plugin { plugin: "shop".to_owned(), places: 1 }));
    queue.leave(run(1));
    assert_eq!(queue.take(at(0)), [run(2)]);
}

#[test]
fn every_wait_has_its_reason() {
    let later = Ticket { not_before: Some(at(10)), ..ticket(4) };
    let mut queue = queue(1, [ticket(1), ticket(2), ticket(3), later]);
    assert_eq!(queue.why(run(1), at(0)), Some(Waiting::Ready));
    queue.take(at(0));
    assert_eq!(queue.why(run(1), at(0)), None);
    assert_eq!(queue.why(run(3), at(0)), Some(Waiting::Lane { lane: Lane::Default, places: 1, ahead: 1 }));
    assert_eq!(queue.why(run(4), at(0)), Some(Waiting::Until(at(10))));
}

#[test]
fn a_run_is_in_one_place_only_whatever_happens_to_it() {
    let mut queue = queue(1, [ticket(1), ticket(1)]);
    assert_eq!(queue.take(at(0)), [run(1)]);
    // It lost its place and tries again later.
    queue.push(Ticket { not_before: Some(at(5)), ..ticket(1) });
    queue.push(ticket(2));
    assert_eq!(queue.take(at(0)), [run(2)]);
    assert!(queue.withdraw(run(2)).is_none(), "a run that holds a place does not wait");
    assert_eq!(queue.withdraw(run(1)).map(|ticket| ticket.run), Some(run(1)));
    assert!(!queue.leave(run(1)));
}

#[test]
fn so_many_go_on_so_many_wait_and_one_more_is_refused() {
    let mut queue = Queue::new(Places::new(9).plugin("shop", bulkhead(2, 1)));
    for number in 1..=3 {
        assert_eq!(queue.reserve(run(number), "shop"), Ok(()));
        queue.push(ticket(number));
        queue.take(at(0));
    }
    let full = BulkheadFull { running: 2, waiting: 1 };
    assert_eq!(queue.reserve(run(4), "shop"), Err(full));
    assert_eq!(queue.reserve(run(5), "other"), Ok(()), "the others have no bulkhead");
    let failure = full.failure("shop");
    assert_eq!((failure.code.as_str(), failure.retryable, failure.exit_code()), ("bulkhead_full", true, 3));
    assert!(failure.message.contains("`shop` has 2 runs going on and 1 waiting"), "{}", failure.message);
    queue.leave(run(1));
    assert_eq!(queue.take(at(0)), [run(3)]);
    assert_eq!(queue.reserve(run(4), "shop"), Ok(()));
    let full = BulkheadFull { running: 2, waiting: 1 };
    assert_eq!(queue.reserve(run(6), "shop"), Err(full), "room that is kept for one is not another's");
    queue.unreserve(run(4));
    assert_eq!(queue.reserve(run(6), "shop"), Ok(()));
}

#[test]
fn of_those_behind_a_gate_one_asks_at_a_time_and_the_first_in_line_does() {
    let urgent = Ticket { priority: Priority::Realtime, ..gated(4) };
    let mut queue = queue(9, [gated(1), gated(2), gated(3), urgent, ticket(5)]);
    assert_eq!(queue.take(at(0)), [run(4), run(5)], "who has no gate to pass does not wait for it");
    assert_eq!(queue.why(run(1), at(0)), Some(Waiting::Ready));
    queue.asked(run(4), None);
    assert_eq!(queue.take(at(0)), [run(1)]);
    // It is refused: nobody asks before the time, and then it does.
    queue.asked(run(1), Some(at(10)));
    queue.push(Ticket { not_before: Some(at(10)), ..gated(1) });
    assert_eq!((queue.take(at(9)), queue.next_time()), (vec![], Some(at(10))));
    assert_eq!(queue.why(run(2), at(9)), Some(Waiting::Until(at(10))));
    assert_eq!(queue.take(at(10)), [run(1)]);
    assert_eq!((queue.take(at(10)), queue.next_time()), (vec![], None), "the others wait for its answer");
    // It goes away without one.
    queue.leave(run(1));
    assert_eq!(queue.take(at(10)), [run(2)]);
    queue.asked(run(2), Some(at(20)));
    queue.open("shop.sales");
    assert_eq!(queue.take(at(10)), [run(3)], "somebody opened it");
}

#[test]
fn who_cannot_wait_for_a_gate_so_long_asks_at_once_and_leaves_it_shut() {
    let hurries = Ticket { deadline: Some(at(10)), ..gated(3) };
    let mut queue = queue(9, [gated(1), gated(2)]);
    assert_eq!(queue.take(at(0)), [run(1)]);
    queue.asked(run(1), Some(at(10)));
    queue.push(Ticket { not_before: Some(at(10)), ..gated(1) });
    queue.push(hurries);
    assert_eq!(queue.take(at(0)), [run(3)]);
    queue.leave(run(3));
    assert_eq!(queue.take(at(9)), []);
}

#[test]
fn a_gate_opens_in_its_time_also_if_who_was_refused_has_gone() {
    let mut queue = queue(9, [gated(1), gated(2)]);
    assert_eq!(queue.take(at(0)), [run(1)]);
    queue.asked(run(1), Some(at(10)));
    queue.leave(run(1));
    assert_eq!((queue.take(at(5)), queue.next_time()), (vec![], Some(at(10))));
    assert_eq!(queue.take(at(10)), [run(2)]);
}

#[test]
fn who_gives_its_place_up_keeps_its_age() {
    let mut queue = queue(1, [ticket(1), ticket(2)]);
    assert_eq!(queue.take(at(0)), [run(1)]);
    queue.push(Ticket { not_before: Some(at(5)), ..ticket(1) });
    assert_eq!(queue.take(at(5)), [run(1)]);
}

#[test]
fn who_need_not_wait_for_its_time_any_longer_goes_by_its_age() {
    let later = Ticket { not_before: Some(at(10)), ..ticket(1) };
    let mut queue = queue(1, [later, ticket(2)]);
    queue.hasten(run(1));
    queue.hasten(run(2));
    assert_eq!((queue.next_time(), queue.take(at(0))), (None, vec![run(1)]));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plugin_never_has_more_than_its_bulkhead_and_is_never_idle_while_one_waits(
        runs in 1..5_u32,
        waiting in 0..5_u32,
        steps in proptest::collection::vec((any::<bool>(), 0..12_u8), 0..200),
    ) {
        let mut queue = Queue::new(Places::new(100).plugin("shop", bulkhead(runs, waiting)));
        for (comes, number) in steps {
            let known = queue.running.contains_key(&run(number)) || queue.spots.contains_key(&run(number));
            if !comes {
                queue.leave(run(number));
            } else if !known && queue.reserve(run(number), "shop").is_ok() {
                queue.push(ticket(number));
            }
            queue.take(at(0));
            let (going_on, in_line) = (queue.running_of("shop"), queue.waiting_of("shop"));
            prop_assert!(going_on <= runs as usize && in_line <= waiting as usize);
            prop_assert!(in_line == 0 || going_on == runs as usize);
        }
    }
}
