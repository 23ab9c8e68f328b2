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
