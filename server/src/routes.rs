//! One module a resource: its requests, responses and handlers together.

pub mod auth;
pub mod health;
pub mod input;
pub mod members;
pub mod outputs;
pub mod page;
pub mod pairs;
pub mod platform;
pub mod projects;
pub mod runs;
pub mod uploads;
pub mod users;
