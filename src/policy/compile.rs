//! Rule file to [`Policy`], or all errors at once.
use super::Policy;
use super::source::{Diagnostic, Reader};
/// What came of compiling.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Compiled {
    /// none if any diagnostic is an error
    pub policy: Option<Policy>,
    pub diagnostics: Vec<Diagnostic>,
    /// the merged profile, one line a value with its origin, for `check --effective`
    pub effective: String,
}
/// Compiles the rule file at `path`, reading it, its parent, fragments and lists through `read`. `base` is built in (also `inbound`).
pub fn compile(_path: &str, _read: &mut Reader<'_>) -> Compiled {
    todo!()
}
