//! FINRA's tiers of securities, and the ways people write them.

use spine_sdk::plain_word;
use spine_sdk::prelude::*;

/// Which securities a weekly file is about. It decides how long after the week the file is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// S&P 500, Russell 1000 and some exchange-traded products.
    NmsTier1,
    /// All other listed securities.
    NmsTier2,
    /// Securities that are not listed.
    Otc,
}

impl Tier {
    pub(crate) const ALL: [Self; 3] = [Self::NmsTier1, Self::NmsTier2, Self::Otc];

    /// The words for a tier that [`Tier::parse`] knows, in any spelling.
    pub(crate) const WORDS: [&str; 8] = ["NMS_TIER_1", "NMS_TIER_2", "OTC", "TIER_1", "TIER_2", "T1", "T2", "OTCE"];

    pub const fn name(self) -> &'static str {
        match self {
            Self::NmsTier1 => "NMS_TIER_1",
            Self::NmsTier2 => "NMS_TIER_2",
            Self::Otc => "OTC",
        }
    }

    /// The tier of this text: `NMS_TIER_1`, `NMS Tier 1`, `tier1`, `T1`, `OTC`, `OTCE`... in any case; none if it is
    /// none of them, which is never taken for OTC.
    pub fn parse(text: &str) -> Option<Self> {
        match plain_word(text)?.as_str() {
            "nmstier1" | "tier1" | "t1" => Some(Self::NmsTier1),
            "nmstier2" | "tier2" | "t2" => Some(Self::NmsTier2),
            "otc" | "otce" => Some(Self::Otc),
            _ => None,
        }
    }

    /// The tier given as a parameter.
    pub(crate) fn from_param(text: &str) -> Result<Self, Error> {
        Self::parse(text).ok_or_else(|| {
            let message = format!("`tier` is `{text}`: give NMS_TIER_1, NMS_TIER_2 or OTC (or T1, T2, OTCE)");
            Error::bad_params(message)
        })
    }

    /// The tier that a file's name tells: `finra_otc_weekly_tier1_20251215.csv`. The `otc` of `otc_weekly` is the
    /// name of the publication and tells nothing.
    pub(crate) fn from_file_name(name: &str) -> Option<Self> {
        let words: Vec<String> = name
            .split(|character: char| !character.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_ascii_lowercase)
            .collect();
        let after = |at: usize| words.get(at + 1).map_or("", String::as_str);
        (0..words.len()).find_map(|at| match words[at].as_str() {
            "tier" => Self::parse(&format!("tier{}", after(at))),
            "otc" | "otce" if matches!(after(at), "weekly" | "transparency") => None,
            word => Self::parse(word),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_writing_a_tier_is_known_and_nothing_else() {
        for text in ["NMS_TIER_1", "NMS Tier 1", "Tier1", "TIER1", "tier_1", "T1", "nms-tier-1"] {
            assert_eq!(Tier::parse(text), Some(Tier::NmsTier1), "{text}");
        }
        for text in ["NMS Tier 2", "tier2", "t2"] {
            assert_eq!(Tier::parse(text), Some(Tier::NmsTier2), "{text}");
        }
        for text in ["OTC", "otc", "OTCE"] {
            assert_eq!(Tier::parse(text), Some(Tier::Otc), "{text}");
        }
        for text in ["", "NMS Tier 3", "Tier", "1", "OTC!", "O.T.C", "OTC Öther"] {
            assert_eq!(Tier::parse(text), None, "{text}");
        }
        for tier in Tier::ALL {
            assert_eq!(Tier::parse(tier.name()), Some(tier));
            assert!(Tier::WORDS.contains(&tier.name()));
        }
        assert!(Tier::WORDS.iter().all(|word| Tier::parse(word).is_some()));
    }

    #[test]
    fn the_name_of_the_publication_is_not_a_tier() {
        for (name, tier) in [
            ("finra_otc_weekly_otc_20251215.csv", Some(Tier::Otc)),
            ("finra_otc_weekly_tier1_20251215.csv", Some(Tier::NmsTier1)),
            ("finra_otc_weekly_tier_2_20251215.csv", Some(Tier::NmsTier2)),
            ("NMS_TIER_2_20251215.psv", Some(Tier::NmsTier2)),
            ("otc_week_2026-01-02.psv", Some(Tier::Otc)),
            ("finra_otc_weekly_20251215.csv", None),
            ("week.csv", None),
            ("tier", None),
        ] {
            assert_eq!(Tier::from_file_name(name), tier, "{name}");
        }
    }
}
