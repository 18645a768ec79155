//! The plugin in a host of memory: pipelines, checks and the source, on small files and on the real ones.

mod calendar;
mod drop;
mod manifest;
mod otc;
mod real;
mod regsho;
