//! One test binary: whole-program tests over real sockets and real databases, and the tests of the house itself.

mod support;

mod hot;
mod http;
mod openapi;
mod process;
mod site;
mod tidy;
