//! Arguments to a cli function, result to an exit code, nothing else.

mod cli;

use std::process::ExitCode;

/// What a crowd has needed is given back when it is gone, and sockets and tasks, which lie on lines of their own, cost no more
/// than anything else.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    cli::main(std::env::args_os()).into()
}
