//! One module a resource: its requests, responses and handlers together.

pub mod answer;
pub mod audit;
pub mod auth;
pub mod documentation;
pub mod etag;
pub mod events;
pub mod exceptions;
pub mod health;
pub mod idempotency;
pub mod input;
pub mod jobs;
pub mod members;
pub mod outputs;
pub mod page;
pub mod pairs;
pub mod platform;
pub mod projects;
pub mod resumable;
pub mod reviews;
pub mod runs;
pub mod tokens;
pub mod uploads;
pub mod uploads_v1;
pub mod users;
