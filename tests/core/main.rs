//! Tests of the core: no sockets, no clock.

mod grammar;
