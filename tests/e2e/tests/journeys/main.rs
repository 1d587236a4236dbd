//! The journeys that the product promises, one test each, on a real cluster.

mod demo;
mod jobs;
mod operator;
mod secrets;
