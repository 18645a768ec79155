//! Weekly OTC transparency volume.

use spine_sdk::prelude::*;
use spine_sdk::testing::MemoryHost;

use super::real;
use crate::not_empty::NotEmpty;
use crate::otc::{
    OtcSymbolSummary, OtcVenueShare, OtcVenueVolume, PublicationDay, TierMatches, TotalsReconcile, WeeklyFile,
    WeeklyPipeline,
};
use crate::row_count::RowCountBand;

const HEADER: &str = "tierDescription|issueSymbolIdentifier|issueName|marketParticipantName|MPID|\
                      totalWeeklyShareQuantity|totalWeeklyTradeCount|lastUpdateDate";
const NAME: &str = "finra_otc_weekly_otc_20251215.csv";

fn weekly(name: &str, rows: &[&str]) -> MemoryHost {
    let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
    MemoryHost::new().file_text::<WeeklyFile>("file", name, &format!("{HEADER}\n{lines}"))
}

/// The failed and warned checks of a run.
fn found(host: &MemoryHost) -> Vec<&'static str> {
    let mut found = Vec::new();
    let mut note = |name, findings: Result<Vec<Finding>, Error>| {
        if !findings.unwrap().is_empty() {
            found.push(name);
        }
    };
    note("not_empty", host.check(&NotEmpty, OtcVenueVolume::NAME));
    note("tier_matches", host.check(&TierMatches, OtcVenueVolume::NAME));
    note("totals_reconcile", host.check(&TotalsReconcile, OtcVenueVolume::NAME));
    note("publication_day", host.check(&PublicationDay, OtcVenueVolume::NAME));
    found
}

fn week(host: &MemoryHost) -> String {
    let volume = host.written::<OtcVenueVolume>();
    let summary = host.written::<OtcSymbolSummary>();
    let share = host.written::<OtcVenueShare>();
    let mut weeks: Vec<i32> = volume.week_ending.iter().chain(&summary.week_ending).chain(&share.week_ending).collect();
    weeks.dedup();
    assert_eq!(weeks.len(), 1, "all three datasets are of one week");
    spine_sdk::date::from_days(weeks[0]).to_string()
}

#[test]
fn a_file_becomes_three_tables_of_its_week() {
    let rows = [
        "OTC|B|B, Inc.|BRAVO LINK ECN ATS|BRVO|300|3|2025-12-15",
        "OTC|A|A Corp|ALPHA CROSSING ATS|ALFA|100|1|2025-12-16",
        "OTC|A|A Corp|BRAVO LINK ECN ATS|BRVO|100.5|0|",
    ];
    let host = weekly(NAME, &rows);
    host.run(&WeeklyPipeline).unwrap();
    assert_eq!(week(&host), "2025-11-14", "of the publication, never of lastUpdateDate");
    let volume = host.written::<OtcVenueVolume>();
    assert_eq!(volume.symbol.iter().collect::<Vec<_>>(), ["A", "A", "B"]);
    assert_eq!(volume.avg_trade_size.iter().collect::<Vec<_>>(), [Some(100.0), None, Some(100.0)]);
    assert_eq!(volume.source_last_update_date.null_count(), 1);
    assert_eq!(host.lines::<OtcVenueVolume>(), [3, 4, 2]);
    let summary = host.written::<OtcSymbolSummary>();
    assert_eq!(summary.total_shares.iter().collect::<Vec<_>>(), [200_500_000, 300_000_000]);
    assert_eq!(summary.venue_count.iter().collect::<Vec<_>>(), [2, 1]);
    let share = host.written::<OtcVenueShare>();
    assert_eq!(share.mpid.iter().collect::<Vec<_>>(), ["BRVO", "ALFA"]);
    assert_eq!(share.symbol_count.iter().collect::<Vec<_>>(), [2, 1]);
    assert_eq!(share.rank.iter().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(found(&host), [""; 0]);
}

#[test]
fn the_tier_comes_from_the_parameter_else_the_rows_else_the_name() {
    let row = |tier: &str| format!("{tier}|A|A Corp|ALPHA CROSSING ATS|ALFA|100|1|2025-12-15");
    let tier_and_week = |host: &MemoryHost| {
        host.run(&WeeklyPipeline).unwrap();
        (host.written::<OtcVenueVolume>().tier.get(0).to_owned(), week(host), found(host))
    };
    let expected = |tier: &str, week: &str, found: &[&'static str]| (tier.to_owned(), week.to_owned(), found.to_vec());
    let tier_1 = weekly("finra_otc_weekly_20251215.csv", &[&row("NMS Tier 1")]);
    assert_eq!(tier_and_week(&tier_1), expected("NMS_TIER_1", "2025-11-28", &[]));
    let unsaid = weekly("finra_otc_weekly_tier2_20251215.csv", &[&row("")]);
    assert_eq!(tier_and_week(&unsaid), expected("NMS_TIER_2", "2025-11-14", &[]));
    let given = weekly(NAME, &[&row("OTC")]).param("tier", "T1");
    assert_eq!(tier_and_week(&given), expected("NMS_TIER_1", "2025-11-28", &["tier_matches"]));
    let misnamed = weekly("finra_otc_weekly_tier1_20251215.csv", &[&row("OTC")]);
    assert_eq!(tier_and_week(&misnamed), expected("OTC", "2025-11-14", &["tier_matches"]));
}

#[test]
fn a_week_that_cannot_be_known_is_asked_for() {
    let rows = ["OTC|A|A Corp|ALPHA CROSSING ATS|ALFA|100|1|2025-12-15"];
    let error = weekly("otc.csv", &rows).run(&WeeklyPipeline).unwrap_err();
    assert_eq!(error.code, "bad_params");
    assert!(error.message.contains("week_ending"), "{}", error.message);
    let given = weekly("otc.csv", &rows).param("week_ending", "2025-12-12");
    given.run(&WeeklyPipeline).unwrap();
    assert_eq!(week(&given), "2025-12-12", "case 46");
    let saturday = weekly("otc.csv", &rows).param("week_ending", "2025-12-13").run(&WeeklyPipeline).unwrap_err();
    assert_eq!(saturday.code, "bad_params", "case 62");
    let tier = weekly(NAME, &rows).param("tier", "T9").run(&WeeklyPipeline).unwrap_err();
    assert_eq!(tier.code, "bad_params");
}

#[test]
fn a_date_that_cannot_be_that_of_the_publication_is_refused_and_the_week_asked_for() {
    let today = i64::from(spine_sdk::date::to_days(spine_sdk::date::parse("2025-12-15").unwrap())) * 86_400_000_000;
    let row = ["OTC|A|A Corp|ALPHA CROSSING ATS|ALFA|100|1|2025-12-15"];
    let run = |name: &str| {
        let host = weekly(name, &row).now_us(today);
        host.run(&WeeklyPipeline).map(|_| week(&host)).map_err(|error| (error.code, error.message))
    };
    for (name, why) in [
        ("otc_20251215_20251222.csv", "several dates, 2025-12-15 and 2025-12-22"),
        ("otc_19000101.csv", "since 2014"),
        ("otc_20131230.csv", "since 2014"),
        ("otc_20251217.csv", "today is 2025-12-15"),
        ("otc_20521215.csv", "today is 2025-12-15"),
    ] {
        let (code, message) = run(name).unwrap_err();
        assert_eq!(code, "bad_params", "{name}");
        assert!(message.contains(why) && message.contains("-p week_ending="), "{message}");
    }
    assert_eq!(run("otc_20251216.csv").unwrap(), "2025-11-14", "a day ahead, in another zone of time");
    assert_eq!(run("20251215/otc_2025-12-15.csv").unwrap(), "2025-11-14", "one date, twice");
    let given = weekly("otc_19000101.csv", &row).now_us(today).param("week_ending", "2025-11-14");
    given.run(&WeeklyPipeline).unwrap();
    let no_clock = weekly("otc_20251215.csv", &row).now_us(0);
    no_clock.run(&WeeklyPipeline).unwrap();
}

#[test]
fn symbols_and_venues_that_cannot_be_read_are_rejects_and_names_are_free() {
    let rows = [
        "OTC|A|A\u{a0}Corp|Ä VENUE|ALFA|100|1|2025-12-15",
        "OTC|B\u{200b}|B Corp|ALPHA CROSSING ATS|ALFA|100|1|2025-12-15",
        "OTC|C|C Corp|ALPHA CROSSING ATS|AL\tFA|100|1|2025-12-15",
    ];
    let host = weekly(NAME, &rows);
    host.run(&WeeklyPipeline).unwrap();
    assert_eq!(host.written::<OtcVenueVolume>().symbol.iter().collect::<Vec<_>>(), ["A"]);
    let rejects = host.rejects();
    let seen: Vec<_> = rejects.iter().map(|reject| (reject.line, reject.code.as_str())).collect();
    assert_eq!(seen, [(Some(3), "bad_key"), (Some(4), "bad_key")]);
    assert_eq!(found(&host), [""; 0]);
}

#[test]
fn a_publication_on_another_day_is_a_warning() {
    let host = weekly("finra_otc_weekly_otc_20251216.csv", &["OTC|A|A Corp|ALPHA CROSSING ATS|ALFA|100|1|2025-12-16"]);
    host.run(&WeeklyPipeline).unwrap();
    assert_eq!((week(&host).as_str(), found(&host)), ("2025-11-14", vec!["publication_day"]));
}

#[test]
fn duplicates_stay_for_the_host_to_block_unless_the_greatest_is_wanted() {
    let rows = [
        "OTC|A|A Corp|ALPHA CROSSING ATS|ALFA|100|1|2025-12-15",
        "OTC|A|A Corp|ALPHA CROSSING ATS|ALFA|300|2|2025-12-15",
    ];
    let host = weekly(NAME, &rows);
    host.run(&WeeklyPipeline).unwrap();
    assert_eq!((host.written::<OtcVenueVolume>().symbol.len(), host.rejects().len()), (2, 0));
    let host = weekly(NAME, &rows).param("duplicates", "greatest");
    host.run(&WeeklyPipeline).unwrap();
    assert_eq!(host.written::<OtcVenueVolume>().total_shares.get(0), 300_000_000);
    let rejects = host.rejects();
    assert_eq!((rejects[0].line, rejects[0].code.as_str()), (Some(2), "duplicate_dropped"));
    assert_eq!(found(&host), [""; 0]);
}

#[test]
fn a_header_alone_is_an_empty_week_that_blocks() {
    let host = weekly(NAME, &[]);
    host.run(&WeeklyPipeline).unwrap();
    assert_eq!(found(&host), ["not_empty"]);
    assert_eq!(host.declared::<OtcVenueVolume>().len(), 1);
    let error = weekly("x_20251215.csv", &[]).run(&WeeklyPipeline).unwrap_err();
    assert_eq!(error, Error::blocked("not_empty", OtcVenueVolume::NAME, error.message.clone()));
}

#[test]
fn sums_that_no_column_holds_are_an_error_and_not_a_wrong_number() {
    let row = |symbol: &str| format!("OTC|{symbol}|A Corp|ALPHA CROSSING ATS|ALFA|999999999999|1|2025-12-15");
    let error = weekly(NAME, &[&row("A"), &row("B")]).run(&WeeklyPipeline).unwrap_err();
    assert_eq!(error.code, "out_of_range");
}

fn close(actual: Option<f64>, expected: f64) {
    assert!((actual.unwrap() - expected).abs() < 1e-12, "{actual:?} is not {expected}");
}

fn real_week(name: &str) -> Option<MemoryHost> {
    let text = real::read(&format!("otc-weekly/{name}"))?;
    let host = MemoryHost::new().file_text::<WeeklyFile>("file", name, &text);
    host.run(&WeeklyPipeline).unwrap();
    assert_eq!(host.rejects().len(), 0);
    assert_eq!(found(&host), [""; 0]);
    Some(host)
}

fn totals(host: &MemoryHost) -> (usize, i128, i64, usize, usize) {
    let volume = host.written::<OtcVenueVolume>();
    let (symbols, venues) =
        (host.written::<OtcSymbolSummary>().symbol.len(), host.written::<OtcVenueShare>().mpid.len());
    let shares = volume.total_shares.iter().sum::<i128>() / 1_000_000;
    (volume.symbol.len(), shares, volume.total_trades.iter().sum(), symbols, venues)
}

#[test]
fn cases_35_to_40_the_venues_of_the_real_week() {
    let Some(host) = real_week(NAME) else { return };
    assert_eq!(totals(&host), (5_328, 1_335_995_901, 472_776, 3_111, 9));
    assert_eq!(week(&host), "2025-11-14");
    let share = host.written::<OtcVenueShare>();
    assert_eq!(share.mpid.iter().take(4).collect::<Vec<_>>(), ["OTCN", "OTCX", "ARCA", "SWCL"]);
    assert_eq!(share.total_shares.get(0), 1_098_033_568_000_000);
    assert_eq!((share.total_trades.get(0), share.symbol_count.get(0)), (132_031, 2_300));
    close(share.share.get(0), 0.821_883_934_807_072_4);
    close(share.share.get(1), 0.144_231_797_309_982_92);
    close(share.share.get(2), 0.030_691_405_541_969_547);
    assert_eq!(share.total_shares.get(3), 4_124_679_000_000);
    assert_eq!((share.mpid.get(8), share.total_shares.get(8), share.rank.get(8)), ("STEN", 10_000_000, 9));
    close(share.share.get(8), 7.485_052_905_113_666e-9);
    let hhi: f64 = share.share.iter().flatten().map(|share| share * share).sum();
    assert!((hhi - 0.697_248).abs() < 1e-6);
}

#[test]
fn cases_41_to_44_the_securities_of_the_real_week() {
    let Some(host) = real_week(NAME) else { return };
    let summary = host.written::<OtcSymbolSummary>();
    for (symbol, shares, trades, venues, hhi) in
        [("AABB", 6_794_184, 174, 2, 0.988_203_497_420_812_9), ("AACAY", 25_955, 138, 3, 0.417_180_708_679_548_93)]
    {
        let at = summary.symbol.iter().position(|found| found == symbol).unwrap();
        assert_eq!(summary.total_shares.get(at), shares * 1_000_000);
        assert_eq!((summary.total_trades.get(at), summary.venue_count.get(at)), (trades, venues));
        close(summary.hhi.get(at), hhi);
    }
    let largest = (0..summary.symbol.len()).max_by_key(|row| summary.total_shares.get(*row)).unwrap();
    assert_eq!((summary.symbol.get(largest), summary.total_trades.get(largest)), ("ECOX", 218));
    assert_eq!(summary.total_shares.get(largest), 259_127_041_000_000);
    close(summary.hhi.get(largest), 0.929_914_746_621_962_6);
    let hhi: Vec<f64> = summary.hhi.iter().flatten().collect();
    assert_eq!(hhi.len(), 3_111);
    assert_eq!(summary.venue_count.iter().filter(|venues| *venues == 1).count(), 1_625);
    let least = hhi.iter().copied().fold(f64::INFINITY, f64::min);
    close(Some(least), 0.333_592_798_081_386_5);
    assert!((hhi.iter().sum::<f64>() / 3_111.0 - 0.810_250_074_541_985_4).abs() < 1e-9);
}

#[test]
fn every_security_of_the_real_weeks_has_the_known_totals() {
    for week in ["20251215", "20251222"] {
        let name = format!("finra_otc_weekly_otc_{week}.csv");
        let (Some(host), Some(known)) =
            (real_week(&name), real::read(&format!("seed/finra_otc_weekly_otc_{week}_symbols.psv")))
        else {
            return;
        };
        let summary = host.written::<OtcSymbolSummary>();
        let known: Vec<Vec<&str>> = known.lines().skip(1).map(|line| line.split('|').collect()).collect();
        assert_eq!(summary.symbol.len(), known.len());
        for known in known {
            let at = summary.symbol.iter().position(|symbol| symbol == known[0]).unwrap();
            assert_eq!(summary.total_shares.get(at), Decimal::<18, 6>::parse(known[1]).unwrap());
            assert_eq!(summary.total_trades.get(at).to_string(), known[2]);
            assert_eq!(summary.venue_count.get(at).to_string(), known[3]);
            close(summary.hhi.get(at), known[4].parse().unwrap());
        }
    }
}

#[test]
fn case_48_the_totals_of_the_next_week() {
    let Some(host) = real_week("finra_otc_weekly_otc_20251222.csv") else { return };
    assert_eq!(totals(&host), (5_192, 943_802_893, 497_191, 2_985, 9));
    assert_eq!(week(&host), "2025-11-21");
    let share = host.written::<OtcVenueShare>();
    assert_eq!((share.mpid.get(0), share.total_shares.get(0)), ("OTCN", 763_597_534_000_000));
    close(share.share.get(0), 0.809_064_625_318_964_7);
}

/// The formulas on tier 1 extracts, whose other columns the format does not have.
#[test]
fn cases_56_to_60_the_formulas_on_tier_1_extracts() {
    let Some(text) = real::read("seed/week_2025-12-13.psv") else { return };
    let rows: Vec<String> = text
        .lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<&str> = line.split('|').collect();
            format!("{}|{}||{}|{}|{}|{}|", fields[1], fields[2], fields[3], fields[3], fields[4], fields[5])
        })
        .collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let host = weekly("tier1.csv", &rows).param("week_ending", "2025-12-12");
    host.run(&WeeklyPipeline).unwrap();
    assert_eq!(totals(&host), (100, 22_053_665, 186_600, 4, 30));
    let summary = host.written::<OtcSymbolSummary>();
    assert_eq!(summary.symbol.iter().collect::<Vec<_>>(), ["A", "AA", "AAAU", "AAL"]);
    assert_eq!(summary.venue_count.iter().collect::<Vec<_>>(), [29, 28, 20, 23]);
    let hhi = [0.082_148_448_346_108_46, 0.096_807_407_577_901_88, 0.141_425_878_168_280_67, 0.128_591_918_189_128_05];
    hhi.iter().enumerate().for_each(|(row, hhi)| close(summary.hhi.get(row), *hhi));
    close(summary.avg_trade_size.get(0), 59.414_065_531_531_81);
    let share = host.written::<OtcVenueShare>();
    assert_eq!(share.mpid.get(0), "INCR");
    close(share.share.get(0), 0.222_205_651_532_296_32);
}

#[test]
fn a_week_with_far_fewer_rows_than_what_was_published_is_a_warning() {
    let file = |rows: usize| {
        let rows: Vec<String> =
            (0..rows).map(|row| format!("OTC|S{row}|A Corp|ALPHA CROSSING ATS|ALFA|100|1|2025-12-15")).collect();
        weekly("finra_otc_weekly_otc_20251215.csv", &rows.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let full = file(20);
    full.run(&WeeklyPipeline).unwrap();
    assert_eq!(full.check(&RowCountBand, OtcVenueVolume::NAME).unwrap(), [], "there was nothing before");
    let published = full.written::<OtcVenueVolume>();
    let warns = |rows: usize| {
        let host = file(rows).published(published.clone());
        host.run(&WeeklyPipeline).unwrap();
        !host.check(&RowCountBand, OtcVenueVolume::NAME).unwrap().is_empty()
    };
    assert!(!warns(18) && !warns(22), "ten percent is inside");
    assert!(warns(17) && warns(4));
}
