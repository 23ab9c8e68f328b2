//! How a list in an RFC becomes a table in the code: one row per item, every fact about the item in its row.

/// Writes an enum, its rows, their number and their facts from one list, so that none of them can drift from
/// the others. A row is `Item = builder("NAME", ...).more();`; the name is the item's documentation.
macro_rules! table {
    (
        $(#[$meta:meta])*
        pub enum $Item:ident: $Facts:ident {
            $($Row:ident = $build:ident($name:literal $($fact:tt)*) $(.$more:ident($($arg:expr),*))*;)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $Item {
            $(#[doc = concat!("`", $name, "`")] $Row,)+
        }

        impl $Item {
            /// All rows, in the order of the table.
            pub const ALL: &'static [$Item] = &[$($Item::$Row,)+];

            /// How many rows there are.
            pub const COUNT: usize = Self::ALL.len();

            const HEADS: &'static [u64] = &[$($crate::smtp::table::head($name.as_bytes()),)+];
            const NAMES: &'static [&'static str] = &[$($name,)+];

            /// The row of this name, in any case. The table has the common ones first.
            fn named(octets: &[u8]) -> Option<$Item> {
                let wanted = $crate::smtp::table::head(octets);
                let mut rows = Self::HEADS.iter().zip(Self::NAMES).zip(Self::ALL);
                rows.find(|((head, name), _)| **head == wanted && $crate::smtp::table::ends_alike(name, octets))
                    .map(|(_, row)| *row)
            }

            /// Its row.
            pub const fn facts(self) -> &'static $Facts {
                match self {
                    $($Item::$Row => const { &$build($name $($fact)*)$(.$more($($arg),*))* },)+
                }
            }

            /// 0-based place in [`Self::ALL`].
            #[expect(clippy::as_conversions, reason = "a discriminant is a place in the table")]
            pub const fn index(self) -> usize {
                self as usize
            }
        }
    };
}

pub(super) use table;

/// So many octets of a name are compared as one number.
const HEAD: usize = 8;

/// The first octets of a name, in upper case.
pub(super) const fn head(name: &[u8]) -> u64 {
    let mut head = [0; HEAD];
    match name.first_chunk() {
        Some(first) => head = *first,
        None => {
            if let Some((first, _)) = head.split_at_mut_checked(name.len()) {
                first.copy_from_slice(name);
            }
        }
    }
    head.make_ascii_uppercase();
    u64::from_ne_bytes(head)
}

/// Whether two names whose heads are the same are the same altogether.
pub(super) fn ends_alike(name: &str, other: &[u8]) -> bool {
    let (behind, other_behind) = (name.as_bytes().get(HEAD..), other.get(HEAD..));
    name.len() == other.len()
        && behind.unwrap_or_default().eq_ignore_ascii_case(other_behind.unwrap_or_default())
}
