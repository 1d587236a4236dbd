//! What the OWASP API Security Top 10 (2023) warns of, a file for each item, tried on a real server.
//! What other tests show already is named there and not shown again.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

mod api01_object_level_authorisation;
mod api02_authentication;
mod api03_object_properties;
mod api04_resource_consumption;
mod api05_function_level_authorisation;
mod api06_business_flows;
mod api07_request_forgery;
mod api08_configuration;
mod api09_inventory;
mod api10_consumed_services;
#[path = "../support/mod.rs"]
mod support;
