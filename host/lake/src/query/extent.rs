//! What a query may read, told from its text before there is a view to plan it over.

use model::DatasetName;
use model::catalog::Extent;

use super::catalog::HISTORY;

/// How much of a dataset `sql` may read; never less than it does.
///
/// A table is named by the letters of its dataset, whatever their case and quotes, so a dataset whose name is nowhere in
/// the text is not read.
pub fn extent(sql: &str, dataset: &DatasetName) -> Extent {
    let sql = sql.to_lowercase();
    let name = dataset.dataset();
    if sql.contains(&format!("{name}{HISTORY}")) {
        Extent::History
    } else if sql.contains(name) {
        Extent::Heads
    } else {
        Extent::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_reads_what_its_text_names() {
        let dataset = "finra.regsho_daily".parse().unwrap();
        for (sql, expected) in [
            ("SELECT 1", Extent::Nothing),
            ("SELECT * FROM finra.regsho_facility_daily", Extent::Nothing),
            ("SELECT * FROM finra.regsho_daily", Extent::Heads),
            ("DESCRIBE lake.\"finra\".\"regsho_daily\"", Extent::Heads),
            ("SELECT * FROM FINRA . /* here */ RegSHO_Daily AS t", Extent::Heads),
            (
                "SELECT * FROM finra.regsho_daily AS l JOIN Finra.RegSHO_Daily_History AS h USING (symbol)",
                Extent::History,
            ),
        ] {
            assert_eq!(extent(sql, &dataset), expected, "{sql}");
        }
    }
}
