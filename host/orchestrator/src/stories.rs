//! What happens to runs, told over stand-ins of the ports.

mod keys;
mod outcomes;
mod plugins;
mod races;
mod stopping;
