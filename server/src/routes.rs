//! One module a resource: its requests, responses and handlers together.

pub mod audit;
pub mod auth;
pub mod etag;
pub mod health;
pub mod idempotency;
pub mod input;
pub mod members;
pub mod outputs;
pub mod page;
pub mod pairs;
pub mod platform;
pub mod projects;
pub mod runs;
pub mod tokens;
pub mod uploads;
pub mod users;
