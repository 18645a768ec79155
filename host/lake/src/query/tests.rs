//! Queries over small lakes that are built by hand.

mod fixture;
mod formats;
mod limits;
mod numbers;
mod pruning;
mod refusals;
mod second_reader;
mod tables;
