//! What a ledger and a bank's statement are like, and why.
//!
//! These figures were set before any rule or threshold was tried on the data, and are not to be
//! moved to make a result better. They are meant to be like life and not easy: where a figure is
//! known only roughly, the harder end is taken. Where no source is named, the reason is the author's
//! reasoning about how payments come about.
//!
//! Rates of errors are multiplied by `--noise`, and then at most 0.95.

/// The figures.
pub struct Parameters {
    /// Share of payments in several parts (`--splits`): half are one ledger entry paid in several
    /// statement lines, half several entries paid in one.
    pub splits: f64,
    /// Parts of a split payment: 2 most often, 6 at most. Instalments and collective payments are
    /// mostly of few parts; those of dozens are files of their own and are matched by file.
    pub parts: [(usize, f64); 5],
    /// Share of split payments in equal instalments; the others are in any proportion.
    pub equal_parts: f64,
    /// Days between the first and the last part: instalments within about a week.
    pub parts_within: i64,

    /// The days the data spans: a quarter, the longest that is usually left open.
    pub days: i64,
    /// Currencies by share: one at home, two abroad.
    pub currencies: [(&'static str, f64); 3],
    /// Share of payments that come in; the others go out.
    pub incoming: f64,
    /// Rows for each counterparty, on average: firms of this size have one to two thousand open.
    pub rows_per_party: u32,
    /// Flattens the first ranks of the counterparties' Zipf law: the largest has some percent of all
    /// payments, the tail one each.
    pub party_flat: f64,

    /// Median of the amounts, in cents. Amounts are log-normal, the usual finding for payments and
    /// invoices: many of some hundreds, few of hundreds of thousands that carry most of the value.
    pub median: f64,
    /// Standard deviation of the amounts' natural logarithm. 2 makes the mean about seven times the
    /// median; statistics of credit transfers have means of thousands where the common payment is
    /// of hundreds.
    pub spread: f64,
    /// Share of amounts that are round (multiples of 5, 10, 50 or 100): deposits, instalments,
    /// prices. Round amounts meet their like, which makes false pairs.
    pub round: f64,
    /// Share of payments of the counterparty's standing amount: rent, leases, subscriptions. They
    /// differ from one another by date and reference alone.
    pub standing: f64,

    /// Working days from the ledger's date to the bank's value date, by weight. A payment must be
    /// credited by the end of the next working day (Directive (EU) 2015/2366, article 83), so most
    /// are 0 or 1; entries that wait for a payment run or a cheque take longer.
    pub lags: [(i64, f64); 6],
    /// Share of payments with a longer lag, and that lag's bounds in working days.
    pub long_lag: f64,
    /// Bounds of a long lag.
    pub long_lag_days: (i64, i64),
    /// Share of payments that the ledger learns of from the bank: booked 1 to 3 working days after
    /// the value date.
    pub booked_late: f64,

    /// Share of payments in the home currency with a fee kept back. The full amount must be credited
    /// (Directive (EU) 2015/2366, article 81), so it is rare.
    pub fee_home: f64,
    /// Share of the payments from abroad with a fee kept back by banks on the way.
    pub fee_abroad: f64,
    /// The fees, in cents: what price lists name.
    pub fees: [i64; 8],
    /// Share of incoming payments with cash discount taken that the ledger has not booked.
    pub discount: f64,
    /// The discounts, in percent: 2 and 3 are the customary ones.
    pub discounts: [i64; 2],
    /// Share of payments a few cents off: rounding of taxes and of conversions.
    pub cents_off: f64,
    /// Share of ledger entries with a digit of the amount mistyped or two swapped. Most entries come
    /// from files, where nobody types.
    pub amount_mistyped: f64,

    /// Share of ledger entries entered a second time under another key, within 3 days.
    pub double_left: f64,
    /// Share of statement lines that come twice, as when two statements overlap.
    pub double_right: f64,
    /// Share of payments missing in the ledger: the bank's own interest and fees, receipts nobody
    /// expected.
    pub missing_left: f64,
    /// Share of payments missing on the statement: in transit at the end, never paid, paid otherwise.
    pub missing_right: f64,

    /// Share of statement lines without a reference: the field is optional, and people leave it out.
    pub reference_missing: f64,
    /// Share of references that arrive altered: typed by a payer, cut, without prefix or zeros.
    pub reference_mangled: f64,
    /// Share of statement lines that carry the reference in the text (too).
    pub reference_in_text: f64,
    /// Share of ledger entries without a reference.
    pub reference_missing_left: f64,

    /// Share of statement lines without the counterparty's name.
    pub party_missing: f64,
    /// Share paid by somebody else: a parent company, a factor, a relative.
    pub party_other: f64,
    /// Share of names without their legal form.
    pub legal_form_dropped: f64,
    /// Share of names and texts in capitals.
    pub upper: f64,
    /// Share of names and texts in basic Latin letters. Systems for euro payments must support
    /// these alone (EPC217-08).
    pub basic_latin: f64,
    /// Share of names and texts cut to one of the field widths.
    pub cut: f64,
    /// Widths that names and texts are cut to: 35 of SWIFT's lines, 27 of the subfields of German
    /// MT940 statements, 22 of narrow exports.
    pub widths: [usize; 3],
    /// Share of names and texts with a typing error: those a payer typed.
    pub mistyped: f64,
    /// Share of texts with a bank's prefix.
    pub prefixed: f64,
    /// Share of texts with the words in another order.
    pub reordered: f64,
    /// Share of texts that say nothing: the payer left them empty or the bank put its own words.
    pub text_useless: f64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            splits: 0.0,
            parts: [(2, 0.50), (3, 0.22), (4, 0.14), (5, 0.09), (6, 0.05)],
            equal_parts: 0.30,
            parts_within: 6,

            days: 90,
            currencies: [("EUR", 0.70), ("USD", 0.18), ("GBP", 0.12)],
            incoming: 0.65,
            rows_per_party: 30,
            party_flat: 10.0,

            median: 42_000.0,
            spread: 2.0,
            round: 0.15,
            standing: 0.12,

            lags: [
                (0, 0.28),
                (1, 0.42),
                (2, 0.16),
                (3, 0.07),
                (4, 0.04),
                (5, 0.03),
            ],
            long_lag: 0.03,
            long_lag_days: (6, 15),
            booked_late: 0.05,

            fee_home: 0.005,
            fee_abroad: 0.08,
            fees: [500, 750, 1000, 1200, 1500, 2000, 2500, 3500],
            discount: 0.015,
            discounts: [2, 3],
            cents_off: 0.01,
            amount_mistyped: 0.003,

            double_left: 0.005,
            double_right: 0.002,
            missing_left: 0.04,
            missing_right: 0.04,

            reference_missing: 0.30,
            reference_mangled: 0.12,
            reference_in_text: 0.45,
            reference_missing_left: 0.03,

            party_missing: 0.08,
            party_other: 0.03,
            legal_form_dropped: 0.30,
            upper: 0.60,
            basic_latin: 0.75,
            cut: 0.25,
            widths: [35, 27, 22],
            mistyped: 0.06,
            prefixed: 0.35,
            reordered: 0.10,
            text_useless: 0.10,
        }
    }
}
