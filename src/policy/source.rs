//! Named texts, places in them, and findings about them. The policy itself reads no file: compiling asks for the
//! next path through a closure.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Reads what a path names (rule file, list, fragment). Errors are texts for people.
pub type Reader<'r> = dyn FnMut(&str) -> Result<String, String> + 'r;

/// A text with its name.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    path: String,
    text: String,
    built_in: bool,
    /// Where each line begins: a list may have 100,000 of them.
    lines: Vec<usize>,
}

impl Source {
    /// A text that stands in a file.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Arc<Source> {
        Arc::new(Source::of(path.into(), text.into(), false))
    }

    /// A text that is part of the program.
    pub fn built_in(name: &str, text: &str) -> Arc<Source> {
        Arc::new(Source::of(format!("built in {name}.toml"), text.to_owned(), true))
    }

    fn of(path: String, text: String, built_in: bool) -> Source {
        let ends = memchr::memchr_iter(b'\n', text.as_bytes());
        let lines = std::iter::once(0).chain(ends.map(|newline| newline + 1)).collect();
        Source { path, text, built_in, lines }
    }

    /// Its name, as findings print it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The text itself.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is part of the program.
    pub fn is_built_in(&self) -> bool {
        self.built_in
    }

    /// The path of what a text here calls `name`: relative names start from this text's own folder.
    pub fn beside(&self, name: &str) -> String {
        match self.path.rsplit_once('/') {
            Some((folder, _)) if !name.starts_with('/') && !self.built_in => format!("{folder}/{name}"),
            _ => name.to_owned(),
        }
    }

    /// The entries of a text that holds one a line; what follows a `#` is comment.
    pub(super) fn entries(self: &Arc<Self>) -> Vec<Located<String>> {
        let mut start = 0;
        let mut entries = Vec::new();
        for line in self.text.split_inclusive('\n') {
            let written = line.split('#').next().unwrap_or_default();
            let indent = written.len() - written.trim_start().len();
            let entry = written.trim();
            if !entry.is_empty() {
                let span = start + indent..start + indent + entry.len();
                entries.push(Located { value: entry.to_owned(), place: Place::new(self, span) });
            }
            start += line.len();
        }
        entries
    }

    /// Line number (from 1), octets of the text before that line, and the line itself.
    fn line_at(&self, offset: usize) -> (usize, usize, &str) {
        let number = self.lines.partition_point(|start| *start <= offset);
        let start =
            number.checked_sub(1).and_then(|place| self.lines.get(place)).copied().unwrap_or_default();
        let line = self.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        (number, start, line)
    }
}

/// A stretch of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    source: Arc<Source>,
    span: Range<usize>,
}

impl Place {
    /// The octets `span` of `source`.
    pub fn new(source: &Arc<Source>, span: Range<usize>) -> Place {
        Place { source: Arc::clone(source), span }
    }

    /// The text in which it lies.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Which octets of it.
    pub(super) fn span(&self) -> &Range<usize> {
        &self.span
    }

    /// An error about what stands here.
    pub fn error(&self, message: impl Into<String>) -> Diagnostic {
        self.finding(Severity::Error, message.into())
    }

    /// A warning about what stands here.
    pub fn warning(&self, message: impl Into<String>) -> Diagnostic {
        self.finding(Severity::Warning, message.into())
    }

    fn finding(&self, severity: Severity, message: String) -> Diagnostic {
        let (line, start, excerpt) = self.source.line_at(self.span.start);
        let characters = |from: usize, to: usize| {
            excerpt.get(from.min(excerpt.len())..to.min(excerpt.len())).map_or(0, |part| part.chars().count())
        };
        let (from, to) = (self.span.start - start, self.span.end.saturating_sub(start));
        Diagnostic {
            severity,
            path: self.source.path.clone(),
            line,
            column: characters(0, from) + 1,
            width: characters(from, to).max(1),
            message,
            help: None,
            excerpt: excerpt.to_owned(),
        }
    }
}

/// `rules/inbound.toml:52`, or `built in`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.source.built_in {
            return f.write_str("built in");
        }
        write!(f, "{}:{}", self.source.path, self.source.line_at(self.span.start).0)
    }
}

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// What was written.
    pub value: T,
    /// Where.
    pub place: Place,
}

impl<T> Located<T> {
    /// The same place with what `meaning` makes of the value.
    pub fn map<U>(self, meaning: impl FnOnce(T) -> U) -> Located<U> {
        Located { value: meaning(self.value), place: self.place }
    }
}

/// A finding in a file: error or warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad.
    pub severity: Severity,
    /// The file.
    pub path: String,
    /// 1-based; 0 where the finding is about the file as a whole.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
    /// Characters under the caret.
    pub width: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
    /// The source line.
    pub excerpt: String,
}

impl Diagnostic {
    /// An error about a file as a whole (it cannot be read, say).
    pub fn about_file(path: &str, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            path: path.to_owned(),
            line: 0,
            column: 0,
            width: 0,
            message: message.into(),
            help: None,
            excerpt: String::new(),
        }
    }

    /// The same finding with what would be right.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// The same finding with a suggestion, where there is one.
    #[must_use]
    pub fn with_nearest(self, nearest: Option<&str>) -> Diagnostic {
        match nearest {
            Some(word) => self.with_help(format!("did you mean `{word}`?")),
            None => self,
        }
    }
}

/// How bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Suspicious; the file is loaded.
    Warning,
    /// Wrong; the file is not loaded.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Warning => "warning",
            Severity::Error => "error",
        })
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.severity, self.message)?;
        if self.line == 0 {
            write!(f, " --> {}", self.path)?;
            if let Some(help) = &self.help {
                write!(f, "\n  = help: {help}")?;
            }
            return Ok(());
        }
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, "{margin}--> {}:{}:{}", self.path, self.line, self.column)?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {}", self.excerpt)?;
        // A tab keeps its width under the caret only if it is repeated there.
        let indent: String =
            self.excerpt.chars().take(self.column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        write!(f, "{margin} | {indent}{}", "^".repeat(self.width))?;
        if let Some(help) = &self.help {
            write!(f, "\n{margin} = help: {help}")?;
        }
        Ok(())
    }
}

/// Where findings are collected, so that all of them are reported at once.
#[derive(Debug, Default)]
pub struct Findings {
    found: RefCell<Vec<Diagnostic>>,
}

impl Findings {
    /// None yet.
    pub fn new() -> Findings {
        Findings::default()
    }

    /// Adds one.
    pub fn add(&self, finding: Diagnostic) {
        self.found.borrow_mut().push(finding);
    }

    /// Adds several.
    pub fn extend(&self, found: impl IntoIterator<Item = Diagnostic>) {
        self.found.borrow_mut().extend(found);
    }

    /// Adds an error, if it is one, and hands on the rest.
    pub fn check<T>(&self, result: Result<T, Diagnostic>) -> Option<T> {
        result.map_err(|finding| self.add(finding)).ok()
    }

    /// Whether any of them is an error.
    pub fn has_errors(&self) -> bool {
        self.found.borrow().iter().any(|finding| finding.severity == Severity::Error)
    }

    /// All of them, by file and line; the errors of one place first.
    pub fn into_sorted(self) -> Vec<Diagnostic> {
        let mut found = self.found.into_inner();
        found.sort_by(|a, b| {
            let key = |d: &Diagnostic| (d.path.clone(), d.line, d.column, std::cmp::Reverse(d.severity));
            key(a).cmp(&key(b))
        });
        found.dedup();
        found
    }
}
