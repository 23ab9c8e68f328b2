//! Quantities with their units, as operators write them: `"5m"`, `"25MiB"`, `"30/min"`.

use std::fmt;
use std::time::Duration;

/// A number of octets: `"64KiB"`, `"25MiB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Octets(pub u64);

/// So many in so long: `"30/min"`, `"500/s"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u64,
    /// In how long.
    pub per: Duration,
}

/// In how long, in seconds; the first name of a period is the one that is written.
const PERIODS: [(&str, u64); 5] = [("s", 1), ("min", 60), ("m", 60), ("h", 3_600), ("d", 86_400)];

/// What a duration must look like.
pub const DURATION: &str = "a duration like \"30s\", \"5m\", \"1h\" or \"2d\"";
/// What a size must look like.
pub const SIZE: &str = "a size like \"512B\", \"64KiB\", \"25MiB\" or \"1GiB\"";
/// What a rate must look like.
pub const RATE: &str = "a rate like \"500/s\", \"30/min\" or \"100/h\"";

/// What a rate of octets must look like.
pub const RATE_OF_OCTETS: &str = "a rate of octets like \"100MiB/h\" or \"1GiB/d\"";

/// Digits in front, and the rest without the blanks between.
fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest.trim_start()))
}

/// Reads a duration.
pub fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text.trim())?;
    let seconds = match unit {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// Reads a size.
pub fn size(text: &str) -> Option<Octets> {
    let (number, unit) = split(text.trim())?;
    let factor = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor).map(Octets)
}

/// Reads a rate.
pub fn rate(text: &str) -> Option<Rate> {
    let (count, unit) = split(text.trim())?;
    let per = PERIODS.iter().find(|(name, _)| unit.strip_prefix('/').map(str::trim_start) == Some(name))?.1;
    (count > 0).then_some(Rate { count, per: Duration::from_secs(per) })
}

/// Reads a rate of octets.
pub fn rate_of_octets(text: &str) -> Option<Rate> {
    let (octets, period) = text.split_once('/')?;
    let count = size(octets)?.0;
    rate(&format!("{count}/{period}"))
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.per.as_secs();
        match PERIODS.iter().find(|(_, period)| *period == seconds) {
            Some((name, _)) => write!(f, "{}/{name}", self.count),
            None => write!(f, "{}/{seconds}s", self.count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_need_their_units() {
        assert_eq!(duration("5m"), Some(Duration::from_mins(5)));
        assert_eq!(duration("1500ms"), Some(Duration::from_millis(1500)));
        assert_eq!(duration("5"), None);
        assert_eq!(duration("m"), None);
        assert_eq!(duration("-5m"), None);
        assert_eq!(size("25MiB"), Some(Octets(25 << 20)));
        assert_eq!(size("25 MiB"), Some(Octets(25 << 20)));
        assert_eq!(size("25MB"), None);
        assert_eq!(size("99999999999999GiB"), None);
        assert_eq!(rate("30/min"), Some(Rate { count: 30, per: Duration::from_mins(1) }));
        assert_eq!(rate("0/s"), None);
        assert_eq!(rate("30"), None);
        assert_eq!(rate("30MiB/h"), None);
        assert_eq!(rate_of_octets("2KiB/m").map(|rate| rate.to_string()).as_deref(), Some("2048/min"));
        assert_eq!(rate_of_octets("2000/h"), None);
    }
}
