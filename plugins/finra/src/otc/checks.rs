//! Quality checks of weekly volume.

use spine_sdk::date::in_file_name;
use spine_sdk::date::weekday_name;
use spine_sdk::prelude::*;

use super::pipeline::{self, WeeklyParams};
use super::tables::{OtcSymbolSummary, OtcVenueShare, OtcVenueVolume};
use super::tier::Tier;

/// The parameter, the rows and the file's name tell the same tier.
#[derive(Debug)]
pub struct TierMatches;

impl Check for TierMatches {
    const NAME: &'static str = "tier_matches";

    fn spec() -> CheckSpec {
        CheckSpec::block(Category::Integrity, "The parameter, the rows and the name of the file tell one tier.")
            .on::<OtcVenueVolume>()
    }

    fn check(&self, _dataset: &str, _host: &Host) -> Result<Vec<Finding>, Error> {
        let mut findings = Vec::new();
        for seen in pipeline::seen()? {
            let mut tiers = Vec::new();
            let mut said = Vec::new();
            let mut say = |tier: Tier, who: &str| {
                tiers.push(tier);
                said.push(format!("{who} {}", tier.name()));
            };
            seen.given.into_iter().for_each(|tier| say(tier, "the parameter says"));
            seen.content.iter().for_each(|(tier, rows)| say(*tier, &format!("{rows} rows say")));
            seen.named.into_iter().for_each(|tier| say(tier, "the name of the file says"));
            if tiers.iter().any(|tier| *tier != tiers[0]) {
                let said = said.join(", ");
                let message = format!("`{}` is not of one tier: {said}", seen.file);
                findings.push(Finding::fail(message).actual(said).expected("one tier"));
            }
        }
        Ok(findings)
    }
}

columns! {
    struct Totals {
        total_shares: Decimal<18, 6>,
        total_trades: Int64,
    }
}

/// The three datasets of a week have the same totals.
#[derive(Debug)]
pub struct TotalsReconcile;

impl Check for TotalsReconcile {
    const NAME: &'static str = "totals_reconcile";

    fn spec() -> CheckSpec {
        CheckSpec::block(
            Category::Integrity,
            "Shares and trades of the venue volume, the symbol summary and the venue share add up to the same.",
        )
        .on::<OtcVenueVolume>()
    }

    fn check(&self, _dataset: &str, host: &Host) -> Result<Vec<Finding>, Error> {
        let whole = sum(host.staged::<OtcVenueVolume>()?)?;
        let parts = [
            (OtcSymbolSummary::NAME, sum(host.staged::<OtcSymbolSummary>()?)?),
            (OtcVenueShare::NAME, sum(host.staged::<OtcVenueShare>()?)?),
        ];
        let differing = parts.into_iter().filter(|(_, part)| *part != whole);
        Ok(differing
            .map(|(dataset, part)| {
                let message = format!("the totals of {dataset} differ from those of {}", OtcVenueVolume::NAME);
                Finding::fail(message).actual(words(part)).expected(words(whole))
            })
            .collect())
    }
}

/// Shares in millionths, and trades.
fn sum(mut reader: Reader) -> Result<(i128, i128), Error> {
    let (mut shares, mut trades) = (0_i128, 0_i128);
    while let Some(batch) = reader.next()? {
        let rows: Totals = batch.read()?;
        shares += rows.total_shares.iter().sum::<i128>();
        trades += rows.total_trades.iter().map(i128::from).sum::<i128>();
    }
    Ok((shares, trades))
}

fn words((shares, trades): (i128, i128)) -> String {
    format!("{} shares, {trades} trades", Decimal::<18, 6>::format(shares))
}

/// The file was published on a Monday.
#[derive(Debug)]
pub struct PublicationDay;

impl Check for PublicationDay {
    const NAME: &'static str = "publication_day";

    fn spec() -> CheckSpec {
        CheckSpec::warn(Category::BusinessRule, "The publication date in the file's name is a Monday.")
            .on::<OtcVenueVolume>()
    }

    fn check(&self, _dataset: &str, host: &Host) -> Result<Vec<Finding>, Error> {
        let params: WeeklyParams = host.params()?;
        let name = params.file.name();
        let odd = in_file_name(name).filter(|day| day.weekday() != Weekday::Mon);
        let finding = odd.map(|day| {
            let message = format!(
                "the date in `{name}`, {day}, is no Monday, the day of publication: the week was counted from the \
                 Monday before it unless `week_ending` was given"
            );
            Finding::warn(message).actual(weekday_name(day.weekday())).expected("Monday")
        });
        Ok(finding.into_iter().collect())
    }
}
