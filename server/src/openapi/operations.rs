//! What is said of each route in words, and what of its answers no type says.

use super::Operation;

mod files;
mod people;
mod projects;
mod runs;
mod work;

/// Adds what is said of a route; false where nothing is.
pub(super) fn describe(route: &str, operation: &mut Operation<'_>) -> bool {
    people::describe(route, operation)
        || projects::describe(route, operation)
        || files::describe(route, operation)
        || work::describe(route, operation)
        || runs::describe(route, operation)
}
