//! Working days: Monday to Friday. Holidays differ between countries and are left out.

use chrono::{Datelike, NaiveDate, TimeDelta, Weekday};

/// The first day of generated data, a Monday.
pub const START: NaiveDate = NaiveDate::from_ymd_opt(2026, 1, 5).expect("a date");

/// A date some calendar days later.
pub fn later(date: NaiveDate, days: i64) -> NaiveDate {
    date + TimeDelta::days(days)
}

/// The date, or the Monday behind it at a weekend.
pub fn working_day(date: NaiveDate) -> NaiveDate {
    match date.weekday() {
        Weekday::Sat => later(date, 2),
        Weekday::Sun => later(date, 1),
        _ => date,
    }
}

/// So many working days later, or earlier where `days` is negative.
pub fn add_working_days(date: NaiveDate, days: i64) -> NaiveDate {
    let step = days.signum();
    let mut date = working_day(date);
    for _ in 0..days.abs() {
        date = later(date, step);
        while matches!(date.weekday(), Weekday::Sat | Weekday::Sun) {
            date = later(date, step);
        }
    }
    date
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weekends_do_not_count() {
        let friday = later(START, 4);
        assert_eq!(START.weekday(), Weekday::Mon);
        assert_eq!(add_working_days(friday, 1), later(START, 7));
        assert_eq!(add_working_days(later(START, 7), -1), friday);
        assert_eq!(add_working_days(later(START, 5), 0), later(START, 7));
        assert_eq!(add_working_days(START, 10), later(START, 14));
    }
}
