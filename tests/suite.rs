//! One test binary: whole-program tests over real sockets and real databases, and the tests of the house itself.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

mod support;

mod defaults;
mod hot;
mod http;
mod model;
mod openapi;
mod process;
mod rules;
mod site;
mod tidy;
