//! Arguments to a cli function, result to an exit code, nothing else.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(std::env::args_os()).into()
}
