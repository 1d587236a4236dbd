//! Everything that was asked and answered, and the judgement of it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

/// A value that only grows: the subject's writer has written 1, 2, 3 and so on.
pub type Version = u64;

/// One request and its answer.
#[derive(Clone, Debug)]
pub struct Record {
    pub subject: String,
    pub replica: usize,
    pub asked: Instant,
    pub answered: Instant,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A write that was acknowledged.
    Wrote(Version),
    /// A read, and the version that it found; where it cannot tell one from an earlier one, the
    /// latest that it may be.
    Read(Version),
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at process {}: {:?}",
            self.subject, self.replica, self.kind
        )
    }
}

/// Reads that began after a write was acknowledged and found less.
pub fn stale(records: &[Record]) -> Vec<(Record, Version)> {
    let mut written: BTreeMap<&str, Vec<(Instant, Version)>> = BTreeMap::new();
    for record in records {
        if let Kind::Wrote(version) = record.kind {
            let of = written.entry(&record.subject).or_default();
            of.push((record.answered, version));
        }
    }
    for writes in written.values_mut() {
        writes.sort_unstable();
        // The greatest that was acknowledged up to each moment.
        let mut greatest = 0;
        for (_, version) in writes.iter_mut() {
            greatest = greatest.max(*version);
            *version = greatest;
        }
    }
    let mut found = Vec::new();
    for record in records {
        let (Kind::Read(version), Some(writes)) =
            (record.kind, written.get(record.subject.as_str()))
        else {
            continue;
        };
        let before = writes.partition_point(|(answered, _)| *answered < record.asked);
        let least = before.checked_sub(1).map_or(0, |last| writes[last].1);
        if version < least {
            found.push((record.clone(), least));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Kind, Record, stale};
    use std::time::{Duration, Instant};

    fn records(of: &[(&str, u64, u64, Kind)]) -> Vec<Record> {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let record = |(subject, asked, answered, kind): &(&str, u64, u64, Kind)| Record {
            subject: (*subject).to_owned(),
            replica: 0,
            asked: at(*asked),
            answered: at(*answered),
            kind: *kind,
        };
        of.iter().map(record).collect()
    }

    #[test]
    fn a_read_after_the_acknowledgement_must_find_the_write() {
        let found = stale(&records(&[
            ("a", 0, 10, Kind::Wrote(1)),
            ("a", 11, 20, Kind::Read(0)),
            ("a", 12, 21, Kind::Read(1)),
            ("a", 13, 22, Kind::Read(2)),
        ]));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].0.kind, found[0].1), (Kind::Read(0), 1));
    }

    #[test]
    fn a_read_beside_the_write_may_find_either() {
        let found = stale(&records(&[
            ("a", 0, 10, Kind::Wrote(1)),
            ("a", 5, 20, Kind::Read(0)),
            ("a", 6, 20, Kind::Read(1)),
            ("b", 11, 20, Kind::Read(0)),
        ]));
        assert!(found.is_empty(), "{found:?}");
    }
}
