//! Many results at once. Where the first error is enough, `collect` into a `Result` does; these keep all of them.

use super::{Failure, FailureKind};

/// Messages of several failures that their common message shows.
const MESSAGES_SHOWN_MAX: usize = 3;

/// Failures of several that stay among the details.
const KEPT_MAX: usize = 16;

/// Parts the values from the failures, both in order.
pub fn partition<T>(results: impl IntoIterator<Item = Result<T, Failure>>) -> (Vec<T>, Vec<Failure>) {
    let (mut values, mut failures) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(failure) => failures.push(failure),
        }
    }
    (values, failures)
}

/// All values, or all failures as one.
///
/// # Errors
///
/// As [`Failure::several`] says; [`partition`] has them one by one.
pub fn collect_all<T>(results: impl IntoIterator<Item = Result<T, Failure>>) -> Result<Vec<T>, Failure> {
    let (values, failures) = partition(results);
    Failure::several(failures).map_or(Ok(values), Err)
}

impl Failure {
    /// One failure for many: none for none, and a single one as it is.
    ///
    /// Several are an `internal` failure with the code `several`. Its message has the first three messages; its details
    /// are the `error_count` and, for each of the first 16, its kind, code, whether it may be tried again, and message.
    /// Trying again may help only if it may for all of them, after the longest of their waits.
    pub fn several(mut failures: Vec<Self>) -> Option<Self> {
        if failures.len() < 2 {
            return failures.pop();
        }
        let count = failures.len();
        let shown: Vec<&str> =
            failures.iter().take(MESSAGES_SHOWN_MAX).map(|failure| failure.message.as_str()).collect();
        let more = if count > shown.len() { "; …" } else { "" };
        let message = format!("{count} errors: {}{more}", shown.join("; "));
        let retryable = failures.iter().all(|failure| failure.retryable);
        let mut several = Self::new(FailureKind::Internal, "several", message).retryable(retryable);
        several.retry_after_ms =
            failures.iter().filter_map(|failure| failure.retry_after_ms).max().filter(|_| retryable);
        several = several.detail("error_count", count.to_string());
        for (at, failure) in failures.iter().take(KEPT_MAX).enumerate() {
            let Self { kind, code, message, retryable, .. } = failure;
            let again = if *retryable { ", retryable" } else { "" };
            several = several.detail(format!("error_{}", at + 1), format!("{kind}/{code}{again}: {message}"));
        }
        Some(several)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureType;

    fn network(message: &str) -> Failure {
        Failure::of(FailureType::Network, message)
    }

    #[test]
    fn case_e7_where_the_first_error_wins_collect_does() {
        let results = || [Ok(1), Err(network("a")), Err(network("b"))];
        assert_eq!(results().into_iter().collect::<Result<Vec<_>, _>>(), Err(network("a")));
        assert_eq!(partition(results()), (vec![1], vec![network("a"), network("b")]));
    }

    #[test]
    fn case_e8_all_errors_are_one_with_three_messages() {
        let results = ["a", "b", "c", "d"].map(|message| Err::<u8, _>(network(message)));
        let failure = collect_all(results).unwrap_err();
        assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Internal, "4 errors: a; b; c; …"));
        assert_eq!(failure.details[0], ("error_count".to_owned(), "4".to_owned()));
        assert_eq!(failure.details[4], ("error_4".to_owned(), "network/network, retryable: d".to_owned()));
    }

    #[test]
    fn no_error_gives_the_values_and_a_single_one_stays_as_it_is() {
        assert_eq!(collect_all([Ok(1), Ok(2)]), Ok(vec![1, 2]));
        assert_eq!(collect_all::<u8>([]), Ok(Vec::new()));
        assert_eq!(collect_all([Ok(1), Err(network("a"))]), Err(network("a")));
    }

    #[test]
    fn several_may_be_tried_again_only_if_all_may_and_then_after_the_longest_wait() {
        let all = |failures| Failure::several(failures).unwrap();
        let limited = || Failure::of(FailureType::RateLimit, "b");
        let again = all(vec![network("a").retry_after_ms(5), limited()]);
        assert_eq!((again.retryable, again.retry_after_ms), (true, Some(60_000)));
        let last = all(vec![limited(), Failure::of(FailureType::SourceNotFound, "c")]);
        assert_eq!((last.retryable, last.retry_after_ms, last.message.as_str()), (false, None, "2 errors: b; c"));
        assert_eq!(last.details[2].1, "source/not_found: c");
    }

    #[test]
    fn many_failures_do_not_make_a_large_one() {
        let failure = Failure::several((0..1_000).map(|at| network(&at.to_string())).collect()).unwrap();
        assert_eq!(failure.details.len(), 1 + KEPT_MAX);
    }
}
