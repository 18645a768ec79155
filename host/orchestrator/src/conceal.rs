//! Keeping secrets out of what a run leaves behind.

use model::quality::CheckResult;
use model::run::{Conclusion, LogLine};
use model::secret::Secrets;

/// Hides the secrets of a run in every text that it concludes with. Rows and the raw text of rejected lines are data:
/// they stay as they are. The messages of rejects may be in a file by now; the lake has hidden them.
pub(crate) fn conceal(secrets: &Secrets, conclusion: &mut Conclusion) {
    if secrets.is_empty() {
        return;
    }
    if let Some(error) = &mut conclusion.error {
        error.texts_mut().for_each(|text| secrets.hide_in(text));
    }
    conclusion.quality.iter_mut().for_each(|result| in_check(secrets, result));
    for stage in &mut conclusion.stages {
        secrets.hide_in(&mut stage.name);
        stage.metrics.iter_mut().flat_map(|(name, value)| [name, value]).for_each(|text| secrets.hide_in(text));
    }
    conclusion.logs.iter_mut().for_each(|line| in_line(secrets, line));
    if let Some(result) = &mut conclusion.result {
        secrets.hide_in_json(result);
    }
}

pub(crate) fn in_check(secrets: &Secrets, result: &mut CheckResult) {
    let texts = [Some(&mut result.message), result.actual.as_mut(), result.expected.as_mut()];
    texts.into_iter().flatten().for_each(|text| secrets.hide_in(text));
}

fn in_line(secrets: &Secrets, line: &mut LogLine) {
    secrets.hide_in(&mut line.message);
    line.fields.iter_mut().flat_map(|(name, value)| [name, value]).for_each(|text| secrets.hide_in(text));
}
