//! The API of a ReconciliationPlatform and its run workers.
//!
//! [`router`] shows the whole surface, [`auth`] who may use it, [`runs`] how a run is worked on,
//! [`db`] and [`storage`] what is kept, [`cache`] what is served without asking for it, [`limits`]
//! how much may be asked. The contract is `docs/api.md`.

pub mod app;
pub mod audit;
pub mod auth;
pub mod cache;
pub mod commands;
pub mod config;
pub mod connections;
pub mod db;
pub mod error;
pub mod index_audit;
pub mod limits;
pub mod openapi;
pub mod redis;
pub mod router;
pub mod routes;
pub mod runs;
pub mod storage;
pub mod telemetry;
pub mod uploads;
