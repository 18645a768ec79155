use super::*;

#[tokio::test]
async fn a_process_that_holds_more_than_it_may_is_noticed() {
    if resident_bytes().is_none() {
        eprintln!("skipped: this kernel does not say what a process holds");
        return;
    }
    assert!(exceeds(1024).await > 1024);
    let never = exceeds(u64::MAX);
    tokio::select! {
        biased;
        held = never => panic!("{held} is no excess"),
        () = tokio::task::yield_now() => {}
    }
}
