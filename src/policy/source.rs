//! Named texts. The policy itself reads no file: compiling asks for the next path through a closure.
/// Reads what a path names (rule file, list, fragment). Errors are texts for people.
pub type Reader<'r> = dyn FnMut(&str) -> Result<String, String> + 'r;

/// A finding in a file: error or warning.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Diagnostic {
    pub severity: Severity,
    pub path: String,
    /// 1-based
    pub line: usize,
    /// 1-based, in characters
    pub column: usize,
    /// characters under the caret
    pub width: usize,
    pub message: String,
    /// what would be right
    pub help: Option<String>,
    /// the source line
    pub excerpt: String,
}
/// How bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Severity {
    Warning,
    Error,
}
impl std::fmt::Display for Diagnostic {
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        todo!()
    }
}
