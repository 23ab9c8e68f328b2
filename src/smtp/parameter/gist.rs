//! What the parameters of a command come to.

use super::{Body, Keyword, Parameter};
use crate::smtp::decimal;
use crate::smtp::extension::Extensions;

/// A set of keywords, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keywords(u32);

const _: () = assert!(Keyword::COUNT <= 32, "a set has a bit for each row");

impl Keywords {
    /// None of them.
    pub const NONE: Keywords = Keywords(0);

    const fn bit(keyword: Keyword) -> u32 {
        1 << keyword.index()
    }

    /// Whether it is in.
    pub const fn contains(self, keyword: Keyword) -> bool {
        self.0 & Self::bit(keyword) != 0
    }

    /// Whether all of them are among others.
    pub const fn are_among(self, others: Keywords) -> bool {
        self.0 & !others.0 == 0
    }

    /// With it.
    #[must_use]
    pub const fn with(self, keyword: Keyword) -> Keywords {
        Keywords(self.0 | Self::bit(keyword))
    }
}

impl FromIterator<Keyword> for Keywords {
    fn from_iter<I: IntoIterator<Item = Keyword>>(keywords: I) -> Self {
        keywords.into_iter().fold(Self::NONE, Keywords::with)
    }
}

/// What MAIL's parameters declare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// SIZE (RFC 1870 3).
    pub size: Option<u64>,
    /// BODY (RFC 6152 2, RFC 3030 3).
    pub body: Body,
    /// SMTPUTF8 (RFC 6531 3.4).
    pub smtputf8: bool,
}

/// All that those who judge a command ask of its parameters together: it is seen when they are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gist {
    /// Those that are known.
    pub keywords: Keywords,
    /// The extensions that must have been offered for them; none: one of them is unknown, and none will do.
    pub needs: Option<Extensions>,
    /// SIZE, BODY and SMTPUTF8.
    pub declared: Declared,
}

impl Gist {
    /// That of no parameters.
    pub const NONE: Gist = Gist {
        keywords: Keywords::NONE,
        needs: Some(Extensions::NONE),
        declared: Declared { size: None, body: Body::SevenBit, smtputf8: false },
    };

    /// With one more, which is sound.
    #[must_use]
    pub(super) fn with(mut self, parameter: &Parameter<'_>) -> Gist {
        self.needs = self.needs.zip(parameter.needs()).map(|(needs, extension)| needs.with(extension));
        let Some(keyword) = parameter.keyword else { return self };
        self.keywords = self.keywords.with(keyword);
        let declared = &mut self.declared;
        match (keyword, parameter.value) {
            (Keyword::Size, Some(value)) => declared.size = decimal::read(value),
            (Keyword::Body, Some(value)) => declared.body = Body::from_value(value).unwrap_or_default(),
            (Keyword::SmtpUtf8, _) => declared.smtputf8 = true,
            _ => {}
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use crate::smtp::command::{Argument, parse};
    use crate::smtp::extension::{Extension, Extensions};
    use crate::smtp::parameter::{Body, Gist, Keyword, Keywords};

    fn gist(parameters: &str) -> Gist {
        let line = format!("MAIL FROM:<a@b>{parameters}");
        match parse(line.as_bytes()).argument {
            Ok(Argument::Mail { parameters, .. }) => parameters.gist(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_gist_is_what_asking_each_would_say() {
        assert_eq!(gist(""), Gist::NONE);
        let all = gist(" size=10 BODY=BINARYMIME SMTPUTF8");
        let needs: Extensions =
            [Extension::Size, Extension::BinaryMime, Extension::SmtpUtf8].into_iter().collect();
        assert_eq!((all.needs, all.declared.size), (Some(needs), Some(10)));
        assert_eq!((all.declared.body, all.declared.smtputf8), (Body::BinaryMime, true));
        let keywords: Keywords = [Keyword::Size, Keyword::Body, Keyword::SmtpUtf8].into_iter().collect();
        assert_eq!(all.keywords, keywords);
        assert!(keywords.are_among(keywords.with(Keyword::Auth)) && !keywords.are_among(Keywords::NONE));
    }

    #[test]
    fn what_is_unknown_needs_what_nobody_offers() {
        for parameters in [" X=1", " SIZE=1 X", " X SIZE=1", " NOTIFY=NEVER"] {
            assert_eq!(gist(parameters).needs, None, "{parameters}");
        }
    }
}
