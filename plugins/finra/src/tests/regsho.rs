//! Daily short-sale volume.

use spine_sdk::prelude::*;
use spine_sdk::testing::MemoryHost;

use super::real;
use crate::not_empty::NotEmpty;
use crate::regsho::{
    DailyPipeline, DateMatchesFile, ExemptLeShort, FacilityAssumed, FacilityMatches, FiveColumns, RegshoDaily,
    RegshoFacilityDaily, SessionDate, ShortLeTotal, SixColumns,
};
use crate::row_count::RowCountBand;

const SIX: &str = "Date|Symbol|ShortVolume|ShortExemptVolume|TotalVolume|Market";
const FIVE: &str = "DATE|SYMBOL|SHORT VOLUME|TOTAL VOLUME|MARKET";

fn six(name: &str, rows: &[&str]) -> MemoryHost {
    let text = format!("{SIX}\n{}{}\n", lines(rows), rows.len());
    MemoryHost::new().file_text::<SixColumns>("file", name, &text)
}

fn five(name: &str, rows: &[&str]) -> MemoryHost {
    let text = format!("{FIVE}\n{}\n", lines(rows));
    MemoryHost::new().file_text::<FiveColumns>("file", name, &text)
}

fn lines(rows: &[&str]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

fn shares(text: &str) -> i128 {
    Decimal::<18, 6>::parse(text).unwrap()
}

#[test]
fn a_consolidated_day_keeps_its_volumes_and_gains_a_ratio() {
    let host =
        six("CNMSshvol20210128.txt", &["20210128|TPC|1|0|4|B,Q,N", "20210128|TpC|2.5|0.5|5|Q", "20210128|NAN|0|0|0|N"]);
    host.run(&DailyPipeline).unwrap();
    let rows = host.written::<RegshoDaily>();
    assert_eq!(rows.symbol.iter().collect::<Vec<_>>(), ["TPC", "TpC", "NAN"]);
    assert_eq!(rows.short_ratio.iter().collect::<Vec<_>>(), [Some(0.25), Some(0.5), None]);
    assert_eq!(rows.short_volume.get(1), shares("2.5"));
    assert_eq!(rows.short_exempt_volume.get(1), Some(shares("0.5")));
    assert_eq!(rows.market.get(0), "B,Q,N");
    assert!(rows.trade_date.dates().all(|day| day.to_string() == "2021-01-28"));
    assert_eq!(host.lines::<RegshoDaily>(), [2, 3, 4]);
    assert!(host.written::<RegshoFacilityDaily>().symbol.is_empty());
}

#[test]
fn a_facility_has_its_own_dataset_whatever_its_columns() {
    let host = five("NQBXshvol20210128.txt", &["20210128|ACIC+|3|4|B"]);
    host.run(&DailyPipeline).unwrap();
    let rows = host.written::<RegshoFacilityDaily>();
    assert_eq!((rows.facility.get(0), rows.symbol.get(0)), ("NQBX", "ACIC+"));
    assert_eq!((rows.short_exempt_volume.get(0), rows.short_ratio.get(0)), (None, Some(0.75)));
    assert!(host.written::<RegshoDaily>().symbol.is_empty());

    let host = six("FNSQshvol20210128.txt", &["20210128|A|3|1|4|Q"]);
    host.run(&DailyPipeline).unwrap();
    let rows = host.written::<RegshoFacilityDaily>();
    assert_eq!((rows.facility.get(0), rows.short_exempt_volume.get(0)), ("FNSQ", Some(shares("1"))));
}

#[test]
fn five_columns_of_the_consolidated_feed_or_of_nobody_are_refused() {
    for name in ["CNMSshvol20210128.txt", "day.txt"] {
        let error = five(name, &["20210128|A|3|4|B"]).run(&DailyPipeline).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (Kind::Parse, "header_mismatch"));
        assert!(error.message.contains("facility"), "{}", error.message);
    }
    let host = five("day.txt", &["20210128|A|3|4|B"]).param("facility", "NPSX");
    host.run(&DailyPipeline).unwrap();
    assert_eq!(host.written::<RegshoFacilityDaily>().facility.get(0), "NPSX");
}

#[test]
fn a_negative_volume_is_a_reject_and_the_rest_is_kept() {
    let rows = ["20210128|A|1|0|4|Q", "20210128|B|-1|0|4|Q", "20210128|C|1|-1|4|Q", "20210128|D|1|0|-4|Q"];
    let host = six("CNMSshvol20210128.txt", &rows);
    host.run(&DailyPipeline).unwrap();
    assert_eq!(host.written::<RegshoDaily>().symbol.iter().collect::<Vec<_>>(), ["A"]);
    let rejects = host.rejects();
    let seen: Vec<_> = rejects.iter().map(|reject| (reject.line, reject.code.as_str())).collect();
    assert_eq!(seen, [(Some(3), "bad_field"), (Some(4), "bad_field"), (Some(5), "bad_field")]);
}

#[test]
fn an_empty_day_is_declared_and_only_a_facility_that_says_so_may_have_one() {
    let host = six("FNRAshvol20210128.txt", &[]);
    host.run(&DailyPipeline).unwrap();
    let declared = host.declared::<RegshoFacilityDaily>();
    let mut partition = declared[0].clone();
    partition.sort();
    let expected =
        [("facility", "FNRA"), ("trade_date", "2021-01-28")].map(|(name, value)| (name.into(), value.into()));
    assert_eq!(partition, expected);
    assert_eq!(host.check(&NotEmpty, RegshoFacilityDaily::NAME).unwrap(), []);

    let host = six("CNMSshvol20210128.txt", &[]);
    host.run(&DailyPipeline).unwrap();
    assert_eq!(host.declared::<RegshoDaily>().len(), 1);
    assert_eq!(host.check(&NotEmpty, RegshoDaily::NAME).unwrap()[0].status, Status::Fail);

    // Five columns have no count, so a header alone may as well be a cut file.
    let host = five("NQBXshvol20210128.txt", &[]);
    host.run(&DailyPipeline).unwrap();
    assert_eq!(host.check(&NotEmpty, RegshoFacilityDaily::NAME).unwrap()[0].status, Status::Fail);

    let error = six("FNRAshvol20210128_20210129.txt", &[]).run(&DailyPipeline).unwrap_err();
    assert!(error.message.contains("several dates"), "{}", error.message);
    let error = six("FNRAshvol.txt", &[]).run(&DailyPipeline).unwrap_err();
    assert_eq!(error, Error::blocked("not_empty", RegshoFacilityDaily::NAME, error.message.clone()));
    let error = six("day.txt", &[]).run(&DailyPipeline).unwrap_err();
    assert_eq!(error, Error::blocked("not_empty", RegshoDaily::NAME, error.message.clone()));
}

#[test]
fn a_file_of_several_days_is_blocked_whatever_its_name_says() {
    let rows = ["20210127|A|1|0|4|Q", "20210128|B|1|0|4|Q", "20210128|C|1|0|4|Q"];
    for (name, expected) in [("day.txt", "one date"), ("CNMSshvol20210128.txt", "2021-01-28")] {
        let host = six(name, &rows);
        host.run(&DailyPipeline).unwrap();
        let found = host.check(&DateMatchesFile, RegshoDaily::NAME).unwrap();
        assert_eq!((found.len(), found[0].status), (1, Status::Fail), "{name}");
        assert!(found[0].message.contains("2021-01-27 (1 rows), 2021-01-28 (2 rows)"), "{}", found[0].message);
        assert!(found[0].details.contains(&("expected".to_owned(), expected.to_owned())), "{:?}", found[0].details);
    }
    let host = six("day.txt", &rows[1..]);
    host.run(&DailyPipeline).unwrap();
    assert_eq!(host.check(&DateMatchesFile, RegshoDaily::NAME).unwrap(), []);
}

#[test]
fn the_dates_of_rows_name_and_calendar_must_agree() {
    let fails = |name: &str, rows: &[&str]| {
        let host = six(name, rows);
        host.run(&DailyPipeline).unwrap();
        let failed = |findings: Vec<Finding>| findings.iter().any(|finding| finding.status == Status::Fail);
        (
            failed(host.check(&DateMatchesFile, RegshoDaily::NAME).unwrap()),
            failed(host.check(&SessionDate, RegshoDaily::NAME).unwrap()),
        )
    };
    assert_eq!(fails("CNMSshvol20210128.txt", &["20210128|A|1|0|4|Q"]), (false, false));
    assert_eq!(fails("CNMSshvol20210127.txt", &["20210128|A|1|0|4|Q"]), (true, false));
    assert_eq!(fails("CNMSshvol20210118.txt", &["20210118|A|1|0|4|Q"]), (false, true), "a holiday");
    assert_eq!(fails("CNMSshvol20210130.txt", &["20210130|A|1|0|4|Q"]), (false, true), "a Saturday");
    assert_eq!(fails("CNMSshvol20250109.txt", &["20250109|A|1|0|4|Q"]), (false, true), "a day of mourning");
    assert_eq!(fails("day.txt", &["20210128|A|1|0|4|Q", "20210131|B|1|0|4|Q"]), (true, true));
    assert_eq!(fails("CNMSshvol20210118.txt", &[]), (false, true), "an empty holiday");
    assert_eq!(fails("CNMSshvol20300107.txt", &["20300107|A|1|0|4|Q"]), (false, true), "outside the calendar");
}

#[test]
fn a_file_of_one_facility_that_was_taken_for_the_consolidated_feed_is_a_warning() {
    let warns = |name: &str, markets: &[&str], facility: Option<&str>| {
        let rows: Vec<String> =
            markets.iter().enumerate().map(|(at, market)| format!("20210128|S{at}|0|0|1|{market}")).collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let host = six(name, &rows);
        let host = if let Some(name) = facility { host.param("facility", name) } else { host };
        host.run(&DailyPipeline).unwrap();
        let findings = host.check(&FacilityAssumed, RegshoDaily::NAME).unwrap();
        findings.first().map(|finding| (finding.status, finding.message.clone()))
    };
    for (code, facility) in [("Q", "FNSQ"), ("B", "FNQC"), ("N", "FNYX"), ("D", "FNRA"), ("O", "FORF")] {
        let (status, message) = warns("day.txt", &[code, code], None).unwrap();
        assert_eq!(status, Status::Warn);
        assert!(message.contains(&format!("`-p facility={facility}`")), "{message}");
    }
    assert_eq!(warns("day.txt", &["Q", "N"], None), None, "two facilities");
    assert_eq!(warns("day.txt", &["B,Q,N", "B,Q,N"], None), None, "a list of facilities is consolidated");
    assert_eq!(warns("day.txt", &["X", "X"], None), None, "nobody's code");
    assert_eq!(warns("day.txt", &["Q"], Some("CNMS")), None, "the operator's word");
    assert_eq!(warns("CNMSshvol20210128.txt", &["Q"], None), None, "the file's name");
}

#[test]
fn a_parameter_that_says_otherwise_than_the_name_is_a_warning() {
    let warns = |name: &str, facility: &str, dataset: &str| {
        let host = six(name, &["20210128|A|0|0|1|Q"]).param("facility", facility);
        host.run(&DailyPipeline).unwrap();
        let findings = host.check(&FacilityMatches, dataset).unwrap();
        findings.first().map(|finding| (finding.status, finding.message.clone()))
    };
    let (status, message) = warns("FNSQshvol20210128.txt", "CNMS", RegshoDaily::NAME).unwrap();
    assert_eq!(status, Status::Warn);
    assert!(message.contains("is of CNMS, but its name says FNSQ"), "{message}");
    let (_, message) = warns("CNMSshvol20210128.txt", "FNSQ", RegshoFacilityDaily::NAME).unwrap();
    assert!(message.contains("is of FNSQ, but its name says CNMS"), "{message}");
    assert_eq!(warns("fnsqshvol20210128.txt", "FNSQ", RegshoFacilityDaily::NAME), None, "they agree");
    assert_eq!(warns("day.txt", "CNMS", RegshoDaily::NAME), None, "the name says nothing");
}

#[test]
fn rows_with_the_market_of_another_feed_are_a_warning() {
    let warns = |name: &str, markets: &[&str], dataset: &str| {
        let rows: Vec<String> =
            markets.iter().enumerate().map(|(at, market)| format!("20210128|S{at}|0|0|1|{market}")).collect();
        let host = six(name, &rows.iter().map(String::as_str).collect::<Vec<_>>());
        host.run(&DailyPipeline).unwrap();
        let findings = host.check(&FacilityMatches, dataset).unwrap();
        findings.first().map(|finding| finding.message.clone())
    };
    let consolidated = |markets: &[&str]| warns("CNMSshvol20210128.txt", markets, RegshoDaily::NAME);
    let message = consolidated(&["Q"; 100]).unwrap();
    assert!(message.contains("every row has the market `Q`, which is FNSQ alone"), "{message}");
    assert_eq!(consolidated(&["Q"; 99]), None, "few rows may be of one facility");
    assert_eq!(consolidated(&[&["Q"; 99][..], &["N"]].concat()), None, "the last row is of another");
    let single = |markets: &[&str]| warns("FNSQshvol20210128.txt", markets, RegshoFacilityDaily::NAME);
    assert_eq!(single(&["Q", "Q"]), None);
    assert!(single(&["N", "N"]).unwrap().contains("which is FNYX"));
    assert!(single(&["Q", "B,Q,N"]).unwrap().contains("several markets"));
    assert_eq!(single(&["Z"]), None, "nobody's code");
    let exchange = five("NQBXshvol20210128.txt", &["20210128|A|3|4|Q"]);
    exchange.run(&DailyPipeline).unwrap();
    assert_eq!(exchange.check(&FacilityMatches, RegshoFacilityDaily::NAME).unwrap(), [], "letters of its own");
}

#[test]
fn a_symbol_that_cannot_be_read_is_a_reject_with_its_characters_shown() {
    let rows =
        ["20210128|GM\u{a0}E|1|0|4|Q", "20210128|A\u{1}B|-1|0|4|Q", "20210128|BRK.B|1|0|4|Q", "20210128|C|-1|0|4|Q"];
    let host = six("CNMSshvol20210128.txt", &rows);
    host.run(&DailyPipeline).unwrap();
    assert_eq!(host.written::<RegshoDaily>().symbol.iter().collect::<Vec<_>>(), ["BRK.B"]);
    let rejects = host.rejects();
    let seen: Vec<_> = rejects.iter().map(|reject| (reject.line, reject.code.as_str())).collect();
    assert_eq!(seen, [(Some(2), "bad_key"), (Some(3), "bad_key"), (Some(5), "bad_field")]);
    assert!(rejects[0].message.contains(r"`GM\u{a0}E`"), "{}", rejects[0].message);
    let host = five("NQBXshvol20210128.txt", &["20210128|\u{feff}A|3|4|B", "20210128|A|3|4|B"]);
    host.run(&DailyPipeline).unwrap();
    assert_eq!((host.written::<RegshoFacilityDaily>().symbol.len(), host.rejects()[0].line), (1, Some(2)));
}

#[test]
fn volumes_that_cannot_be_are_found_with_their_lines() {
    let rows = ["20210128|A|5|0|4|Q", "20210128|B|1|2|4|Q", "20210128|C|4|4|4|Q"];
    let host = six("CNMSshvol20210128.txt", &rows);
    host.run(&DailyPipeline).unwrap();
    let short = host.check(&ShortLeTotal, RegshoDaily::NAME).unwrap();
    assert_eq!((short[0].status, short[0].sample_rows.as_slice()), (Status::Fail, &[2][..]));
    let exempt = host.check(&ExemptLeShort, RegshoDaily::NAME).unwrap();
    assert_eq!((exempt[0].status, exempt[0].sample_rows.as_slice()), (Status::Fail, &[3][..]));
    let expected = "1 row has more short volume than total volume, the first in line 2 of `CNMSshvol20210128.txt`";
    assert_eq!(short[0].message, expected);
    let rows: Vec<String> = (0..30).map(|row| format!("20210128|S{row}|5|6|4|Q")).collect();
    let host = six("CNMSshvol20210128.txt", &rows.iter().map(String::as_str).collect::<Vec<_>>());
    host.run(&DailyPipeline).unwrap();
    let short = host.check(&ShortLeTotal, RegshoDaily::NAME).unwrap();
    assert_eq!(short[0].sample_rows, (2..12).collect::<Vec<u64>>());
    assert!(short[0].details.contains(&("actual".to_owned(), "30".to_owned())), "{:?}", short[0].details);
}

/// Captures of `rows` rows on each of these days.
fn history(days: &[(&str, usize)]) -> RegshoDaily {
    let mut published = RegshoDaily::default();
    for (day, rows) in days {
        let day = spine_sdk::date::to_days(spine_sdk::date::parse(day).unwrap());
        for row in 0..*rows {
            published.trade_date.push(day);
            published.symbol.push(&format!("S{row}"));
            published.short_volume.push(0);
            published.short_exempt_volume.push(None);
            published.total_volume.push(0);
            published.short_ratio.push(None);
            published.market.push("Q");
        }
    }
    published
}

#[test]
fn a_count_far_from_the_sessions_before_is_a_warning_once_there_are_five() {
    let days = [("2021-01-19", 100), ("2021-01-20", 98), ("2021-01-21", 102), ("2021-01-22", 100), ("2021-01-25", 101)];
    let warns = |rows: usize, days: &[(&str, usize)]| {
        let rows: Vec<String> = (0..rows).map(|row| format!("20210126|S{row}|0|0|1|Q")).collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let host = six("CNMSshvol20210126.txt", &rows).published(history(days));
        host.run(&DailyPipeline).unwrap();
        !host.check(&RowCountBand, RegshoDaily::NAME).unwrap().is_empty()
    };
    assert!(!warns(95, &days) && !warns(105, &days), "five percent is inside");
    assert!(warns(94, &days) && warns(106, &days));
    assert!(!warns(10, &days[..4]), "four sessions are no history");
    let later = days.map(|(day, rows)| (if day == "2021-01-19" { "2021-01-27" } else { day }, rows));
    assert!(!warns(10, &later), "sessions after the day do not count");
}

#[test]
fn a_check_without_the_run_it_judges_says_so_instead_of_passing() {
    // A thread of its own is as good as an instance of its own.
    let checked = std::thread::spawn(|| {
        let host = six("CNMSshvol20210128.txt", &["20210128|A|1|0|4|Q"]);
        host.check(&SessionDate, RegshoDaily::NAME).map_err(|error| error.code)
    });
    assert_eq!(checked.join().unwrap(), Err("no_evidence".to_owned()));
}

#[test]
fn the_five_real_days_have_the_known_totals() {
    let mut gme = None;
    for (day, rows, totals) in [
        (25, 9_274, None),
        (26, 9_285, None),
        (27, 9_311, Some(("3965051656", "10032670190"))),
        (28, 9_260, Some(("3526835165", "7824337557"))),
        (29, 9_297, None),
    ] {
        let name = format!("CNMSshvol202101{day}.txt");
        let Some(text) = real::read(&format!("regsho/{name}")) else { return };
        let host = MemoryHost::new().file_text::<SixColumns>("file", &name, &text);
        host.run(&DailyPipeline).unwrap();
        let written = host.written::<RegshoDaily>();
        assert_eq!((written.symbol.len(), host.rejects().len()), (rows, 0));
        if let Some((short, total)) = totals {
            assert_eq!(written.short_volume.iter().sum::<i128>(), shares(short));
            assert_eq!(written.total_volume.iter().sum::<i128>(), shares(total));
        }
        if day == 28 {
            let at = written.symbol.iter().position(|symbol| symbol == "GME").unwrap();
            gme = written.short_ratio.get(at);
        }
        for findings in [
            host.check(&NotEmpty, RegshoDaily::NAME),
            host.check(&DateMatchesFile, RegshoDaily::NAME),
            host.check(&SessionDate, RegshoDaily::NAME),
            host.check(&ShortLeTotal, RegshoDaily::NAME),
            host.check(&ExemptLeShort, RegshoDaily::NAME),
            host.check(&FacilityMatches, RegshoDaily::NAME),
        ] {
            assert_eq!(findings.unwrap(), [], "{name}");
        }
    }
    assert!((gme.unwrap() - 0.508264).abs() < 5e-7);
}

#[test]
fn the_real_exchange_files_and_fractions_are_read_exactly() {
    for (feed, day, volumes) in [
        ("NQBX", 27, None),
        ("NQBX", 28, Some(("142435", "183256"))),
        ("NPSX", 27, None),
        ("NPSX", 28, Some(("17320", "55294"))),
    ] {
        let name = format!("{feed}shvol202101{day}.txt");
        let Some(text) = real::read(&format!("regsho/{name}")) else { return };
        let host = MemoryHost::new().file_text::<FiveColumns>("file", &name, &text);
        host.run(&DailyPipeline).unwrap();
        let written = host.written::<RegshoFacilityDaily>();
        assert_eq!(written.symbol.len(), text.lines().skip(1).filter(|line| !line.is_empty()).count());
        if let Some((short, total)) = volumes {
            let at = written.symbol.iter().position(|symbol| symbol == "GME").unwrap();
            assert_eq!((written.short_volume.get(at), written.total_volume.get(at)), (shares(short), shares(total)));
        }
    }
    let Some(text) = real::read("regsho/CNMSshvol20260504.head8.txt") else { return };
    let host = MemoryHost::new().file_text::<SixColumns>("file", "CNMSshvol20260504.txt", &text);
    host.run(&DailyPipeline).unwrap();
    let written = host.written::<RegshoDaily>();
    assert_eq!(
        (written.short_volume.get(0), written.total_volume.get(0)),
        (shares("299392.172804"), shares("743135.775886"))
    );
}
