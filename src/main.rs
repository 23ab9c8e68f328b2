//! Arguments to a cli function, result to an exit code, nothing else.
fn main() {}
