//! What two lists of customers are like, and why.
//!
//! These figures were set before any rule or threshold was tried on the data, and are not to be
//! moved to make a result better. They are meant to be like life and not easy. The kinds of errors
//! are those of the generators that the field compares itself on (Christen and Pudjijono 2009,
//! "Accurate synthetic generation of realistic personal information", PAKDD; Christen and Vatsalan
//! 2013, "Flexible and extensible generation and corruption of personal data", CIKM); the rates are
//! the author's reasoning where no source is named.
//!
//! Rates of errors are multiplied by `--noise`, and then at most 0.95.

/// The figures.
pub struct Parameters {
    /// Share of each side's rows that have a partner on the other.
    pub overlap: f64,
    /// The left list's rates, as a share of those below: it is kept with more care, yet not free of
    /// errors.
    pub left_errors: f64,

    /// Persons in a household that are in the lists, on average, drawn without order; most customers
    /// are the only one of theirs.
    pub persons_per_household: f64,
    /// Share of persons who bear their household's surname.
    pub family_name: f64,
    /// Share of persons named like another of their household: fathers and sons.
    pub namesake: f64,
    /// Share of persons who give the household's telephone; the others give a mobile of their own.
    pub landline: f64,

    /// Share of persons who moved between the lists: about 9 % do within a year (United States'
    /// Census Bureau, Current Population Survey, 2019 to 2022).
    pub moved: f64,
    /// Share of surnames changed between the lists, by marriage mostly: about 1 % within a year.
    pub surname_changed: f64,
    /// Share of telephone numbers changed between the lists, each with a new contract.
    pub phone_changed: f64,

    /// Share of given names in a short form, of those that have one.
    pub nickname: f64,
    /// Share of given names as an initial.
    pub initial: f64,
    /// Share of rows with given name and surname in each other's field.
    pub names_swapped: f64,
    /// Share of names in basic letters: `Mueller` for `Müller`.
    pub basic_latin: f64,
    /// Share of names in capitals.
    pub upper: f64,
    /// Share of mistyped values, for each field of text: with seven fields about every fifth row has
    /// one, which is what reviewing such lists by hand tends to find.
    pub mistyped: f64,
    /// Share of misheard names: taken by telephone.
    pub misheard: f64,
    /// Share of misread values, for each field of text: scanned forms.
    pub misread: f64,

    /// Share of birth dates missing.
    pub birth_missing: f64,
    /// Share of birth dates with day and month swapped, where both may be either.
    pub birth_swapped: f64,
    /// Share of birth dates with a wrong digit.
    pub birth_mistyped: f64,
    /// Share of birth dates of which the year alone is known, kept as the first of January.
    pub birth_year_only: f64,

    /// Share of streets with their kind shortened.
    pub street_shortened: f64,
    /// Share of addresses without street and number.
    pub street_missing: f64,
    /// Share of house numbers missing, of those whose street is there.
    pub house_missing: f64,
    /// Share of towns missing.
    pub town_missing: f64,
    /// Share of postcodes missing.
    pub postcode_missing: f64,
    /// Share of mistyped digits, for each field of digits.
    pub digits_mistyped: f64,
    /// Share of telephone numbers missing.
    pub phone_missing: f64,
    /// Share of telephone numbers written in another way: with spaces, a country code, a slash.
    pub phone_written_otherwise: f64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            overlap: 0.80,
            left_errors: 0.35,

            persons_per_household: 1.4,
            family_name: 0.85,
            namesake: 0.01,
            landline: 0.35,

            moved: 0.09,
            surname_changed: 0.012,
            phone_changed: 0.12,

            nickname: 0.12,
            initial: 0.03,
            names_swapped: 0.01,
            basic_latin: 0.30,
            upper: 0.10,
            mistyped: 0.035,
            misheard: 0.015,
            misread: 0.010,

            birth_missing: 0.06,
            birth_swapped: 0.010,
            birth_mistyped: 0.020,
            birth_year_only: 0.010,

            street_shortened: 0.30,
            street_missing: 0.04,
            house_missing: 0.03,
            town_missing: 0.02,
            postcode_missing: 0.03,
            digits_mistyped: 0.015,
            phone_missing: 0.25,
            phone_written_otherwise: 0.35,
        }
    }
}
