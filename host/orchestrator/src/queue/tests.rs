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
    }
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
    let mut queue = Queue::new(Places::new(4).plugin("shop", 1));
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
