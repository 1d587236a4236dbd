//! Conditions of both resources: their types, their allowed reasons and how one is set.
//!
//! They follow the Kubernetes API conventions ("Typical status properties"): `lastTransitionTime`
//! moves only when `status` does, and every condition carries the generation it speaks of.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It cannot be told.
    Unknown,
}

impl Status {
    /// The text in `status`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// Names a condition type and the reasons that it may carry.
macro_rules! reasons {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// The text in the condition.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),+ }
            }
        }
    };
}

reasons! {
    /// The condition types of a `ReconciliationPlatform`.
    PlatformCondition {
        /// The secrets exist and their values are good.
        SecretsReady,
        /// The database is there, as far as Kubernetes can tell.
        DatabaseReady,
        /// The database has the schema that this version needs.
        Migrated,
        /// Enough API pods serve.
        Available,
        /// All of the above, for the newest generation.
        Ready,
    }
}

reasons! {
    /// The reasons of a `ReconciliationPlatform`'s conditions.
    PlatformReason {
        /// The condition holds.
        AsExpected,
        /// An ExternalSecret has not been synced, or the Secret does not exist.
        SecretNotSynced,
        /// External Secrets is not installed in the cluster.
        ExternalSecretsMissing,
        /// A value is missing, empty or too short; the message names its key.
        InvalidConfiguration,
        /// The values are being checked.
        CheckingConfiguration,
        /// The embedded database is starting.
        DatabaseStarting,
        /// The migration is running.
        Migrating,
        /// The migration failed; the message quotes what it said.
        MigrationFailed,
        /// The pods are being rolled out.
        RollingOut,
        /// The new pods do not get ready; the old ones go on serving.
        RolloutStuck,
        /// The API could not be told of the declared projects.
        ProjectsNotDeclared,
        /// An earlier step has to come first.
        Waiting,
    }
}

reasons! {
    /// The condition types of a `ReconciliationJob`.
    JobCondition {
        /// The job is valid and its namespace is allowed to run it.
        Accepted,
        /// A run is queued or running.
        Running,
        /// The last run succeeded.
        Ready,
        /// The run succeeded.
        Complete,
        /// The run failed.
        Failed,
    }
}

reasons! {
    /// The reasons of a `ReconciliationJob`'s conditions.
    JobReason {
        /// The condition holds.
        AsExpected,
        /// The specification is wrong; the message has every path.
        InvalidSpec,
        /// The job's namespace is no member of the project.
        Forbidden,
        /// There is no such platform.
        PlatformNotFound,
        /// The platform does not serve yet.
        PlatformNotReady,
        /// A ConfigMap or one of its keys does not exist.
        SourceNotFound,
        /// The run waits for a worker.
        Queued,
        /// A worker runs it.
        RunInProgress,
        /// The run succeeded.
        RunSucceeded,
        /// The run failed; the message says why.
        RunFailed,
        /// The run was cancelled.
        RunCancelled,
        /// An earlier step has to come first.
        Waiting,
    }
}

/// Sets one condition in place; the list keeps its order.
pub fn set(
    conditions: &mut Vec<Condition>,
    type_: &str,
    status: Status,
    reason: &str,
    message: impl Into<String>,
    generation: Option<i64>,
    now: Timestamp,
) {
    let mut next = Condition {
        type_: type_.into(),
        status: status.as_str().into(),
        reason: reason.into(),
        message: message.into(),
        observed_generation: generation,
        last_transition_time: Time(now),
    };
    match conditions
        .iter_mut()
        .find(|condition| condition.type_ == type_)
    {
        Some(condition) => {
            if condition.status == next.status {
                next.last_transition_time = condition.last_transition_time.clone();
            }
            *condition = next;
        }
        None => conditions.push(next),
    }
}

/// Whether the condition holds and speaks of this generation.
#[must_use]
pub fn is_true(conditions: &[Condition], type_: &str, generation: Option<i64>) -> bool {
    conditions.iter().any(|condition| {
        condition.type_ == type_
            && condition.status == Status::True.as_str()
            && condition.observed_generation == generation
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_transition_time_moves_only_with_the_status() {
        let mut conditions = Vec::new();
        set(
            &mut conditions,
            "Ready",
            Status::False,
            "Waiting",
            "",
            Some(1),
            at(1),
        );
        set(
            &mut conditions,
            "Ready",
            Status::False,
            "RollingOut",
            "",
            Some(2),
            at(2),
        );
        assert_eq!(conditions[0].last_transition_time, Time(at(1)));
        assert_eq!(conditions[0].observed_generation, Some(2));
        set(
            &mut conditions,
            "Ready",
            Status::True,
            "AsExpected",
            "",
            Some(2),
            at(3),
        );
        assert_eq!(conditions[0].last_transition_time, Time(at(3)));
        assert_eq!(conditions.len(), 1);
    }

    #[test]
    fn a_condition_of_an_older_generation_does_not_hold() {
        let mut conditions = Vec::new();
        set(
            &mut conditions,
            "Ready",
            Status::True,
            "AsExpected",
            "",
            Some(1),
            at(1),
        );
        assert!(is_true(&conditions, "Ready", Some(1)));
        assert!(!is_true(&conditions, "Ready", Some(2)));
    }
}
