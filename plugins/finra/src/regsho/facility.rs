//! Whose feed a file is.

use spine_sdk::prelude::*;

/// A feed of daily short-sale volume, named by the prefix of its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facility {
    /// Consolidated: the sum of FINRA's facilities for listed securities.
    Cnms,
    /// FINRA/Nasdaq TRF Carteret.
    Fnsq,
    /// FINRA/Nasdaq TRF Chicago.
    Fnqc,
    /// FINRA/NYSE TRF.
    Fnyx,
    /// The alternative display facility.
    Fnra,
    /// The OTC reporting facility.
    Forf,
    /// The exchange Nasdaq BX.
    Nqbx,
    /// The exchange Nasdaq PSX.
    Npsx,
}

/// Whose file it is, and whether that is more than a guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whose {
    pub(crate) facility: Facility,
    /// Nothing but the number of its columns says so.
    pub(crate) assumed: bool,
}

/// The layout that a file's header showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    Six,
    Five,
}

impl Facility {
    pub(crate) const NAMES: [&str; 8] = ["CNMS", "FNSQ", "FNQC", "FNYX", "FNRA", "FORF", "NQBX", "NPSX"];

    const ALL: [Self; 8] =
        [Self::Cnms, Self::Fnsq, Self::Fnqc, Self::Fnyx, Self::Fnra, Self::Forf, Self::Nqbx, Self::Npsx];

    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The facility of this name, in any case.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|facility| facility.name().eq_ignore_ascii_case(name))
    }

    /// The facility whose prefix starts this file name.
    pub(crate) fn from_file_name(file: &str) -> Option<Self> {
        file.get(..4).and_then(Self::from_name)
    }

    /// The facility of FINRA that has this code in the column `Market`. The exchanges use the same letters for others.
    pub(crate) fn from_market(code: &str) -> Option<Self> {
        match code {
            "Q" => Some(Self::Fnsq),
            "B" => Some(Self::Fnqc),
            "N" => Some(Self::Fnyx),
            "D" => Some(Self::Fnra),
            "O" => Some(Self::Forf),
            _ => None,
        }
    }

    /// Returns whether its rows are the consolidated dataset.
    pub(crate) const fn is_consolidated(self) -> bool {
        matches!(self, Self::Cnms)
    }

    pub(crate) const fn layout(self) -> Layout {
        match self {
            Self::Nqbx | Self::Npsx => Layout::Five,
            Self::Cnms | Self::Fnsq | Self::Fnqc | Self::Fnyx | Self::Fnra | Self::Forf => Layout::Six,
        }
    }

    /// Decides whose file this is: the operator's word, else the file's name, else its layout.
    ///
    /// Five columns alone could be any exchange, and five columns of a feed that has six are not that feed's file:
    /// both are `header_mismatch`, because the file is not what it is taken for.
    pub(crate) fn of_file(given: Option<&str>, file: &str, layout: Layout) -> Result<Whose, Error> {
        let said = match given {
            Some(name) => Some(Self::from_name(name).ok_or_else(|| {
                let known = Self::NAMES.join(", ");
                Error::bad_params(format!("`facility` is `{name}`, but the known ones are {known}"))
            })?),
            None => Self::from_file_name(file),
        };
        let facility = match (said, layout) {
            (Some(facility), _) => facility,
            (None, Layout::Six) => Self::Cnms,
            (None, Layout::Five) => {
                let message = format!(
                    "`{file}` has five columns, so it is not the consolidated feed, and its name does not begin \
                         with a known facility: name it with `-p facility=NQBX` or `-p facility=NPSX`"
                );
                return Err(Error::parse("header_mismatch", message));
            }
        };
        if facility.layout() != layout {
            return Err(facility.wrong_layout(file, layout));
        }
        Ok(Whose { facility, assumed: said.is_none() })
    }

    fn wrong_layout(self, file: &str, layout: Layout) -> Error {
        let (has, due) = match layout {
            Layout::Six => ("six", "five"),
            Layout::Five => ("five", "six"),
        };
        let message = format!(
            "`{file}` has {has} columns, but files of the facility {} have {due}: check that it is the right file, or \
             name its `facility`",
            self.name()
        );
        Error::parse("header_mismatch", message).detail("facility", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameter_wins_over_the_name_and_the_name_over_the_layout() {
        let of = |given, file, layout| {
            let whose = Facility::of_file(given, file, layout).unwrap();
            (whose.facility, whose.assumed)
        };
        assert_eq!(of(Some("FNSQ"), "CNMSshvol20210127.txt", Layout::Six), (Facility::Fnsq, false));
        assert_eq!(of(Some("CNMS"), "day.txt", Layout::Six), (Facility::Cnms, false));
        assert_eq!(of(None, "FORFshvol20210127.txt", Layout::Six), (Facility::Forf, false));
        assert_eq!(of(None, "nqbxshvol20210127.txt", Layout::Five), (Facility::Nqbx, false));
        for unnamed in ["day.txt", "день.txt", ""] {
            assert_eq!(of(None, unnamed, Layout::Six), (Facility::Cnms, true));
        }
    }

    #[test]
    fn five_columns_of_nobody_are_an_error_that_names_the_parameter() {
        let error = Facility::of_file(None, "day.txt", Layout::Five).unwrap_err();
        assert_eq!(error.code, "header_mismatch");
        assert!(error.message.contains("facility="), "{}", error.message);
    }

    #[test]
    fn a_feed_keeps_its_number_of_columns() {
        for (facility, layout) in [("CNMS", Layout::Five), ("FNYX", Layout::Five), ("NPSX", Layout::Six)] {
            let error = Facility::of_file(Some(facility), "x.txt", layout).unwrap_err();
            assert_eq!(error.code, "header_mismatch", "{facility}");
        }
        assert_eq!(Facility::of_file(Some("NYSE"), "x.txt", Layout::Six).unwrap_err().code, "bad_params");
    }

    #[test]
    fn names_and_variants_are_in_the_same_order() {
        for facility in Facility::ALL {
            assert_eq!(Facility::from_name(facility.name()), Some(facility));
            assert_eq!(format!("{facility:?}").to_uppercase(), facility.name());
        }
    }
}
